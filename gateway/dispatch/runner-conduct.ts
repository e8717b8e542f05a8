// How a runner behaves, and what follows from it: one that breaks the protocol or does not answer is
// isolated (`isolation.ts`), one that says BUSY again and again is tried with one call at a time. Pure: it
// is told what happens, and when.

import { Isolation } from './isolation.js'

/** BUSYs in a row after which a runner is tried with one call at a time. */
const MAX_BUSY_IN_A_ROW = 8
/** How often it is tried then, at most: another caller may be quicker than we are for a while. */
const BUSY_PAUSE_MS = 100
/** Announcements in a row with free slots, each followed by BUSY, after which they are not believed. */
const MAX_FALSE_ANNOUNCEMENTS = 10
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
  /** It has said BUSY, and not yet FREE. */
  #isFull = false
  #busyInARow = 0
  #lastBusyMs = 0
  /** The one call that a runner which says BUSY again and again is tried with; 0: none. */
  #probeId = 0
  /** It has announced free slots, and no BUSY has followed yet. */
  #isBelieved = false
  #falseAnnouncements = 0
  #unansweredInARow = 0
  #firstUnansweredMs = 0
  /** Calls that we hold and that its last announcements know nothing of. */
  #forgotten: readonly number[] = NO_CALLS
  #forgottenInARow = 0
  #forgottenMs = 0

  /** Whether it may be given a call. */
  get isTrusted(): boolean {
    return !this.#isFull && this.#probeId === 0 && this.#isolation.reason === null
  }

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
    this.#falseAnnouncements = 0
    return true
  }

  onGiven(id: number): void {
    if (this.#busyInARow >= MAX_BUSY_IN_A_ROW) this.#probeId = id
  }

  onEnded(id: number): void {
    if (id === this.#probeId) this.#probeId = 0
  }

  onBusy(nowMs: number): void {
    this.#isFull = true
    this.#busyInARow++
    this.#lastBusyMs = nowMs
  }

  /** True where FREE is believed: one that says FREE and BUSY in turns would be sent calls without end. */
  onFree(nowMs: number): boolean {
    if (!this.#mayTry(nowMs)) return false
    this.#isFull = false
    return true
  }

  /** It has said something to a call. True when it is trusted with more than one again. */
  onAnswer(): boolean {
    this.#unansweredInARow = 0
    if (this.#busyInARow === 0) return false
    this.#busyInARow = 0
    this.#falseAnnouncements = 0
    const wasTried = this.#probeId !== 0
    this.#probeId = 0
    return wasTried
  }

  /** It has announced free slots: a FREE can be lost with a connection. Returns why it is to be isolated. */
  onFreeSlots(nowMs: number): string | null {
    let reason: string | null = null
    // Another caller may have been quicker, once or twice.
    if (this.#isFull && this.#isBelieved) {
      this.#isBelieved = false
      this.#falseAnnouncements++
      if (this.#falseAnnouncements >= MAX_FALSE_ANNOUNCEMENTS) {
        reason = 'it announces free slots and says BUSY to every call'
      }
    }
    if (this.#mayTry(nowMs)) {
      this.#isFull = false
      this.#isBelieved = true
    }
    return reason
  }

  /** A clock has ended a call to which it had not said anything. Returns why it is to be isolated. */
  onUnanswered(nowMs: number): string | null {
    if (this.#unansweredInARow++ === 0) this.#firstUnansweredMs = nowMs
    const isLong = nowMs - this.#firstUnansweredMs >= UNANSWERED_MS
    if (this.#unansweredInARow < MAX_UNANSWERED || !isLong) return null
    return `it has not answered ${this.#unansweredInARow} calls in a row`
  }

  get isTried(): boolean {
    return this.#probeId !== 0
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

  #mayTry(nowMs: number): boolean {
    return this.#busyInARow < MAX_BUSY_IN_A_ROW || nowMs - this.#lastBusyMs >= BUSY_PAUSE_MS
  }
}
