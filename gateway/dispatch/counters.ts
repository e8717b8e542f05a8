// What became of the calls of one function. At rest, started = succeeded + failed + cancelled + timedOut.

export type Outcome = 'succeeded' | 'failed' | 'cancelled' | 'timedOut'

export interface CounterValues {
  /** Sent to a runner, or given up by their client while they waited for one. */
  readonly started: number
  readonly succeeded: number
  readonly failed: number
  readonly cancelled: number
  readonly timedOut: number
  /** Never started: no slot within the queue's bounds. A call that runners were too full for is one of them. */
  readonly rejected: number
  /** Times that a call was tried again after its runner was lost. */
  readonly retried: number
  /** Sent to a runner and not settled there yet, whatever their client has been told. */
  readonly inFlight: number
}

export class Counters {
  #started = 0
  #rejected = 0
  #retried = 0
  #inFlight = 0
  readonly #outcomes: Record<Outcome, number> = {
    succeeded: 0,
    failed: 0,
    cancelled: 0,
    timedOut: 0,
  }

  start(): void {
    this.#started++
  }

  /** It was not, after all: no runner has taken it. */
  unstart(): void {
    this.#started--
  }

  reject(): void {
    this.#rejected++
  }

  retry(): void {
    this.#retried++
  }

  conclude(outcome: Outcome): void {
    this.#outcomes[outcome]++
  }

  occupy(): void {
    this.#inFlight++
  }

  release(): void {
    this.#inFlight--
  }

  get values(): CounterValues {
    return {
      started: this.#started,
      ...this.#outcomes,
      rejected: this.#rejected,
      retried: this.#retried,
      inFlight: this.#inFlight,
    }
  }
}
