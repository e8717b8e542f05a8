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
  /** Its name as a number, for `pickByAffinity`. */
  readonly idHash: number
}

const NONE: readonly RunnerLoad[] = []

/**
 * The least loaded eligible runner with a free slot, or undefined. What other callers keep busy ranks the
 * runners but excludes none: that number is stale, and a runner that is full after all says BUSY, which
 * costs half a millisecond and loses nothing. Of equals the first one from `offset` on, so that a caller
 * that counts `offset` up spreads its calls.
 * @param tried runners that have had this call already
 */
export function pickRunner<R extends RunnerLoad>(
  runners: readonly R[],
  offset: number,
  tried: readonly RunnerLoad[] = NONE,
): R | undefined {
  let best: R | undefined
  let bestLoad = Number.POSITIVE_INFINITY
  for (let index = 0; index < runners.length; index++) {
    const runner = runners[(index + offset) % runners.length]!
    if (!hasRoom(runner, tried)) continue
    const load = (runner.inFlight + runner.othersBusy) / runner.slots
    if (load < bestLoad) {
      best = runner
      bestLoad = load
    }
  }
  return best
}

/**
 * The runner that this key prefers among those with a free slot (rendezvous hashing): always the same one
 * while it lives and has room, and when it comes or goes no key moves that need not.
 */
export function pickByAffinity<R extends RunnerLoad>(
  runners: readonly R[],
  keyHash: number,
  tried: readonly RunnerLoad[] = NONE,
): R | undefined {
  let best: R | undefined
  let bestRank = -1
  for (const runner of runners) {
    if (!hasRoom(runner, tried)) continue
    const rank = mixed(keyHash ^ runner.idHash)
    if (rank > bestRank) {
      best = runner
      bestRank = rank
    }
  }
  return best
}

/** 32 bits of a text (FNV-1a). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

function hasRoom(runner: RunnerLoad, tried: readonly RunnerLoad[]): boolean {
  return runner.isEligible && runner.inFlight < runner.slots && !tried.includes(runner)
}

/** Spreads 32 bits over all of them (the finalizer of MurmurHash3). */
function mixed(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
