// How many calls may be tried again: a tenth of those of late, so that a fleet that is sick is not hit
// harder for it. Pure: the clock is given.

const RETRY_SHARE = 0.1
/** Where there are few calls a tenth of them would be none. */
const LEAST_RETRIES = 10
const WINDOW_MS = 10_000

interface Window {
  calls: number
  retries: number
}

export class RetryBudget {
  #current: Window = { calls: 0, retries: 0 }
  #before: Window = { calls: 0, retries: 0 }
  #startMs = 0

  /** A call has begun. */
  onCall(nowMs: number): void {
    this.#turnTo(nowMs)
    this.#current.calls++
  }

  /** Takes one retry out of the budget; false when it is spent. */
  take(nowMs: number): boolean {
    this.#turnTo(nowMs)
    const calls = this.#current.calls + this.#before.calls
    const retries = this.#current.retries + this.#before.retries
    if (retries >= Math.max(LEAST_RETRIES, calls * RETRY_SHARE)) return false
    this.#current.retries++
    return true
  }

  #turnTo(nowMs: number): void {
    const passedMs = nowMs - this.#startMs
    if (passedMs < WINDOW_MS) return
    this.#before = passedMs < 2 * WINDOW_MS ? this.#current : { calls: 0, retries: 0 }
    this.#current = { calls: 0, retries: 0 }
    this.#startMs = nowMs
  }
}
