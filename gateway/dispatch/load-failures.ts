// The last failed `load` of each function: while it stands, calls that no runner can take are refused
// rather than left to wait for a runner that does not come.

import { LRUCache } from 'lru-cache'
import type { Announcement, FailureReason } from '../../shared/announcement.js'
import { CallError } from '../../shared/errors.js'

export interface LoadFailure extends FailureReason {
  readonly runner: string
  readonly host: string
  readonly pid: number
  readonly startedAt: string
  /** When we heard of it, for people. */
  readonly failedAt: string
}

interface Heard {
  readonly failure: LoadFailure
  /** By the clock of the fleet's ages. */
  readonly failedMs: number
}

/** Names come from announcements: whoever can announce must not be able to fill our memory. */
const MAX_FUNCTIONS = 10_000
/** Runners are started again after ten seconds at most, and then have to load. */
const RETRY_AFTER_SECONDS = 5

export class LoadFailures {
  readonly #failures = new LRUCache<string, Heard>({ max: MAX_FUNCTIONS })

  of(functionName: string): LoadFailure | null {
    return this.#failures.peek(functionName)?.failure ?? null
  }

  /** When it failed last; never is before everything. */
  failedMs(functionName: string): number {
    return this.#failures.peek(functionName)?.failedMs ?? Number.NEGATIVE_INFINITY
  }

  /** False when the function had failed for the same reason before. */
  add(announcement: Announcement, reason: FailureReason, nowMs: number): boolean {
    const before = this.of(announcement.function)
    const { runner, host, pid, startedAt } = announcement
    const failedAt = new Date().toISOString()
    const failure = { ...reason, runner, host, pid, startedAt, failedAt }
    this.#failures.set(announcement.function, { failure, failedMs: nowMs })
    return before?.code !== reason.code || before.message !== reason.message
  }

  clear(functionName: string): void {
    this.#failures.delete(functionName)
  }
}

/** What a client hears of it: the reason is the operator's. */
export function loadError({ code }: LoadFailure): CallError {
  const sentence =
    code === 'load_failed'
      ? 'The function could not be loaded; it is started again. Try again later.'
      : 'The function took too long to load; it is started again. Try again later.'
  return new CallError(code, sentence, { retryAfterSeconds: RETRY_AFTER_SECONDS })
}
