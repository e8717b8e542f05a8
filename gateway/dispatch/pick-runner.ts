// Which runner gets the next call. Pure: numbers in, a choice out.

export interface RunnerLoad {
  /** Calls that it works on at the same time at most. */
  readonly slots: number
  /** Calls of ours that it has. */
  readonly inFlight: number
  /** Calls of other callers, as it last announced; old by up to a second. */
  readonly othersBusy: number
  /** Ready, heard of lately, and not known to be full. */
  readonly isEligible: boolean
}

/**
 * The least loaded eligible runner with a free slot, or undefined. What other callers keep busy ranks the
 * runners but excludes none: that number is stale, and a runner that is full after all says BUSY, which
 * costs half a millisecond and loses nothing. Of equals the first one from `offset` on, so that a caller
 * that counts `offset` up spreads its calls.
 */
export function pickRunner<R extends RunnerLoad>(
  runners: readonly R[],
  offset: number,
): R | undefined {
  let best: R | undefined
  let bestLoad = Number.POSITIVE_INFINITY
  for (let index = 0; index < runners.length; index++) {
    const runner = runners[(index + offset) % runners.length]!
    if (!runner.isEligible || runner.inFlight >= runner.slots) continue
    const load = (runner.inFlight + runner.othersBusy) / runner.slots
    if (load < bestLoad) {
      best = runner
      bestLoad = load
    }
  }
  return best
}
