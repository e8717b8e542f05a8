// How a runner behaves, and what follows from it: one that breaks the protocol or does not answer is isolated
// (`isolation.ts`). Pure: it is told what happens, and when.

import { Isolation } from './isolation.js'

/** Calls in a row that a clock ended before the runner said anything to them. */
const MAX_UNANSWERED = 3
/** Many calls of one moment may be slow together: they count for one that is not answered for so long. */
const UNANSWERED_MS = 3_000
/** Announcements, a second apart, in which a runner has none of the calls that it was given. */
const MAX_FORGOTTEN = 5
/** A runner may announce itself more often; a CALL may wait in its socket for longer than that. */
const FORGOTTEN_APART_MS = 500

const NO_CALLS: readonly number[] = []

/** Ids of the invocations that a caller has with the runner. */
export interface HeldIds {
  readonly size: number
  has(id: number): boolean
  keys(): Iterable<number>
}

export class RunnerConduct {
  readonly #isolation = new Isolation()
  #unansweredInARow = 0
  #firstUnansweredMs = 0
  /** Calls that we hold and that its last announcements know nothing of. */
  #forgotten: readonly number[] = NO_CALLS
  #forgottenInARow = 0
  #forgottenMs = 0

  /** Why it is isolated; null: it is not. */
  get isolationReason(): string | null {
    return this.#isolation.reason
  }

  get isolationMs(): number {
    return this.#isolation.lengthMs
  }

  /** No calls for a while. True when it was not isolated before. */
  isolate(reason: string, nowMs: number): boolean {
    return this.#isolation.add(reason, nowMs)
  }

  /** True when its isolation has come to its end. */
  endIsolationIfOver(nowMs: number): boolean {
    if (!this.#isolation.endIfOver(nowMs)) return false
    this.#unansweredInARow = 0
    return true
  }

  /** It has said something to a call. */
  onAnswer(): void {
    this.#unansweredInARow = 0
  }

  /** A clock has ended a call to which it had not said anything. Returns why it is to be isolated. */
  onUnanswered(nowMs: number): string | null {
    if (this.#unansweredInARow++ === 0) this.#firstUnansweredMs = nowMs
    const isLong = nowMs - this.#firstUnansweredMs >= UNANSWERED_MS
    if (this.#unansweredInARow < MAX_UNANSWERED || !isLong) return null
    return `it has not answered ${this.#unansweredInARow} calls in a row`
  }

  /**
   * It has announced that it has `known` calls of ours, and we hold these. Returns the ones that it will
   * never answer, because it has known nothing of them for some time: a call without clocks would wait for
   * ever.
   */
  forgottenOf(known: number, held: HeldIds, nowMs: number): readonly number[] {
    if (known > 0 || held.size === 0) {
      this.#forgottenInARow = 0
      return NO_CALLS
    }
    if (this.#forgottenInARow > 0 && nowMs - this.#forgottenMs < FORGOTTEN_APART_MS) return NO_CALLS
    this.#forgottenMs = nowMs
    const before = this.#forgottenInARow > 0 ? this.#forgotten : [...held.keys()]
    this.#forgotten = before.filter((id) => held.has(id))
    this.#forgottenInARow = this.#forgotten.length > 0 ? this.#forgottenInARow + 1 : 0
    if (this.#forgottenInARow < MAX_FORGOTTEN) return NO_CALLS
    this.#forgottenInARow = 0
    return this.#forgotten
  }
}
