/** Longest wait of a timer of Node, 25 days: a longer one fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** These waits together, as far as a timer can wait: each of them may be the longest. */
export function timerMs(...waitsMs: readonly number[]): number {
  return Math.min(
    waitsMs.reduce((sum, ms) => sum + ms, 0),
    MAX_TIMER_MS,
  )
}
