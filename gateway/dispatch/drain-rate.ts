// How fast a queue is served: what tells a new call whether its turn can come in time. Pure: the clock is
// given.

/** Long enough to level out bursts, short enough to follow a fleet that grows or shrinks. */
const WINDOW_SECONDS = 10
/** Before it has been watched for so long, nothing is said of it. */
const LEAST_SECONDS = 3

export class DrainRate {
  /** Calls that left the queue for a slot in each of the last seconds, by the second modulo the window. */
  readonly #served = new Uint32Array(WINDOW_SECONDS)
  #second = Number.NEGATIVE_INFINITY
  /** Since when there has always been somebody waiting, or null. */
  #busySinceMs: number | null = null

  /** Somebody waits, for the first time since `onEmpty`. */
  onWaiting(nowMs: number): void {
    this.#busySinceMs ??= nowMs
  }

  onEmpty(): void {
    this.#busySinceMs = null
  }

  onServed(nowMs: number): void {
    this.#turnTo(nowMs)
    this.#served[this.#second % WINDOW_SECONDS]!++
  }

  /** Calls a second; null while nobody knows: just begun, or nothing was served of late. */
  perSecond(nowMs: number): number | null {
    if (this.#busySinceMs === null) return null
    const busySeconds = (nowMs - this.#busySinceMs) / 1_000
    if (busySeconds < LEAST_SECONDS) return null
    this.#turnTo(nowMs)
    let served = 0
    for (const count of this.#served) served += count
    // The last of the seconds is not over.
    const seconds = WINDOW_SECONDS - 1 + ((nowMs / 1_000) % 1)
    return served === 0 ? null : served / Math.min(busySeconds, seconds)
  }

  #turnTo(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000)
    if (second - this.#second >= WINDOW_SECONDS) this.#served.fill(0)
    else for (let s = this.#second + 1; s <= second; s++) this.#served[s % WINDOW_SECONDS] = 0
    this.#second = Math.max(second, this.#second)
  }
}
