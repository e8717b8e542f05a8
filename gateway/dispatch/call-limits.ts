// How many calls this process has at once, in all and of each principal. Counts whatever was started and
// has not ended, waiting calls included. Calls without a principal (public routes) are limited in all only.

import { CallError } from '../../shared/errors.js'

export interface CallLimitOptions {
  readonly maxCalls: number
  /** Of one principal; null: as many as there are. */
  readonly maxCallsPerPrincipal: number | null
}

export class CallLimits {
  readonly #options: CallLimitOptions
  readonly #byPrincipal = new Map<string, number>()
  #count = 0

  constructor(options: CallLimitOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#count
  }

  /** Counts one more, and says why it may not be. `leave` follows in either case. */
  enter(fairnessKey: string): CallError | null {
    const { maxCalls, maxCallsPerPrincipal } = this.#options
    this.#count++
    if (maxCallsPerPrincipal !== null && fairnessKey !== '') {
      const ofPrincipal = (this.#byPrincipal.get(fairnessKey) ?? 0) + 1
      this.#byPrincipal.set(fairnessKey, ofPrincipal)
      if (ofPrincipal > maxCallsPerPrincipal) return tooManyOfOne(maxCallsPerPrincipal)
    }
    if (this.#count <= maxCalls) return null
    return new CallError('no_capacity', 'This gateway has too many calls. Try again later.', {
      retryAfterSeconds: 1,
    })
  }

  leave(fairnessKey: string): void {
    this.#count--
    if (this.#options.maxCallsPerPrincipal === null || fairnessKey === '') return
    const left = this.#byPrincipal.get(fairnessKey)! - 1
    if (left > 0) this.#byPrincipal.set(fairnessKey, left)
    else this.#byPrincipal.delete(fairnessKey)
  }
}

function tooManyOfOne(limit: number): CallError {
  return new CallError(
    'rate_limited',
    `You have ${limit} calls at work already, which is the limit. Try again when one has ended.`,
    { retryAfterSeconds: 1 },
  )
}
