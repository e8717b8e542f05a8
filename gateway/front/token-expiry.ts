// When the token of an open connection expires: a moment of the day, while timers measure time that passes.
// The two part when the clock is set, or the machine sleeps, so the clock is looked at again and again.

/** So much longer may a connection outlive its token when the clock was set forward. */
const LOOK_MS = 60_000

/** Calls `onExpired` once, then. Returns what takes it back. */
export function onTokenExpiry(
  expiresAtMs: number,
  onExpired: () => void,
  { now = Date.now, lookMs = LOOK_MS } = {},
): () => void {
  let timer: NodeJS.Timeout
  const wait = () => {
    const leftMs = Math.max(0, expiresAtMs - now())
    timer = setTimeout(look, Math.min(leftMs, lookMs))
  }
  const look = () => {
    if (now() < expiresAtMs) wait()
    else onExpired()
  }
  wait()
  return () => clearTimeout(timer)
}
