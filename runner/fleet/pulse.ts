// Whether a runner is stuck: its event loop does not turn, and what keeps it is no call, for each of them has
// a limit. Pure. Silence is counted in our own ticks: while this process was stopped, or the machine slept,
// nobody listened, and nothing that a runner said then was missed.

/** How often `isStuck` is to be asked. */
export const TICK_MS = 1_000
/** Whoever asks later than this has not been listening all the while. */
const LONGEST_TICK_MS = 2 * TICK_MS
/** A runner may be late with what it says where the machine has much else to do. */
const MARGIN_MS = 10_000

export class Pulse {
  #longestCallMs: number | null = null
  #silentMs = 0
  #tickedAtMs: number

  constructor(nowMs: number) {
    this.#tickedAtMs = nowMs
  }

  /** @param longestCallMs for so long a call may keep the runner silent; null: for ever */
  beat(longestCallMs: number | null): void {
    this.#longestCallMs = longestCallMs
    this.#silentMs = 0
  }

  get silentMs(): number {
    return this.#silentMs
  }

  isStuck(nowMs: number): boolean {
    this.#silentMs += Math.min(nowMs - this.#tickedAtMs, LONGEST_TICK_MS)
    this.#tickedAtMs = nowMs
    return this.#longestCallMs !== null && this.#silentMs > this.#longestCallMs + MARGIN_MS
  }
}
