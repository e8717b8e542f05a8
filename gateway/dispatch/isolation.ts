// Whether a runner is kept from getting calls, for how long, and why. Pure: the clock is given.

/** Long enough that a runner which breaks every call breaks few of them; short for one mistake. */
const FIRST_MS = 30_000
const LONGEST_MS = 600_000

export class Isolation {
  #untilMs = Number.NEGATIVE_INFINITY
  #lengthMs = 0
  #reason: string | null = null

  /** Why it is isolated; null: it is not. */
  get reason(): string | null {
    return this.#reason
  }

  get lengthMs(): number {
    return this.#lengthMs
  }

  /** True when it was not isolated before. One that goes on stays isolated, without another word. */
  add(reason: string, nowMs: number): boolean {
    const isNew = this.#reason === null
    if (isNew) {
      const isAgain = nowMs - this.#untilMs < LONGEST_MS
      this.#lengthMs = isAgain ? Math.min(this.#lengthMs * 2, LONGEST_MS) : FIRST_MS
      this.#reason = reason
    }
    this.#untilMs = nowMs + this.#lengthMs
    return isNew
  }

  /** True when the isolation has come to its end. */
  endIfOver(nowMs: number): boolean {
    if (this.#reason === null || nowMs < this.#untilMs) return false
    this.#reason = null
    return true
  }
}
