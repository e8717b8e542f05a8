// One runner, as this caller sees it: its slots, its invocations, and what it sends us.
// Owns the slots: one is taken by `take` and freed by `release`, both idempotent by id. What its behaviour
// means is `runner-conduct.ts`. Every time in here is of `performance`: the clock of the day may step.

import { performance } from 'node:perf_hooks'
import type { Announcement } from '../../shared/announcement.js'
import { CodecError, decodeFrames } from '../../shared/codec.js'
import { CallError } from '../../shared/errors.js'
import { FRAME, type Frame } from '../../shared/frame.js'
import { IdMap } from '../../shared/id-map.js'
import type { Outbox } from '../../shared/outbox.js'
import type { Invocation } from './invocation.js'
import { hashOf, type RunnerLoad } from './pick-runner.js'
import { RunnerConduct } from './runner-conduct.js'
import { RunnerRoom } from './runner-room.js'

export interface RunnerLinkOwner {
  /** An id that no invocation of this caller has had: a runner that was forgotten may come back. */
  nextId(): number
  /** A slot has become free, or the runner says that it has one. */
  onSlot(runner: RunnerLink): void
  /** It gets no calls for a while; `isolationReason` says why. */
  onIsolated(runner: RunnerLink): void
  /** A handler threw: a bug on our side, which must not end the reading of messages. */
  onHandlerError(runner: RunnerLink, error: unknown): void
  /** Whether nobody has this id: it was never given to any runner, or another one has it. */
  isForeign(runner: RunnerLink, id: number): boolean
  /** Whether enough others are left to take this one's calls. */
  canSpare(runner: RunnerLink): boolean
}

/** What a runner that leaves has said last comes within a round trip; it is asked again by then. */
const LAST_WORDS_MS = 250

export type RunnerState = Announcement['state'] | 'silent' | 'isolated'

export class RunnerLink implements RunnerLoad {
  readonly id: string
  readonly functionName: string
  readonly version: string
  readonly idHash: number
  readonly outbox: Outbox
  readonly #owner: RunnerLinkOwner
  readonly #callerId: string
  readonly #invocations = new IdMap<Invocation>()
  readonly #unflushed: Invocation[] = []
  /** Given up while the connection was lost. */
  readonly #orphans: number[] = []
  #announcement: Announcement
  #lastHeardMs: number
  #othersBusy = 0
  #isStale = false
  /** When the server first said that nobody hears it. */
  #unheardMs: number | null = null
  readonly #conduct = new RunnerConduct()
  readonly #room = new RunnerRoom()
  /** A FREE that was not believed is looked at again. */
  #freeAgain: NodeJS.Timeout | undefined
  /** Since when it is known, or has been loading. */
  readonly #sinceMs: number
  #hasLoadTimedOut = false

  constructor(
    owner: RunnerLinkOwner,
    outbox: Outbox,
    callerId: string,
    announcement: Announcement,
    nowMs: number,
  ) {
    this.#owner = owner
    this.outbox = outbox
    this.#callerId = callerId
    this.id = announcement.runner
    this.functionName = announcement.function
    this.version = announcement.version
    this.idHash = hashOf(announcement.runner)
    this.#announcement = announcement
    this.#lastHeardMs = nowMs
    this.#sinceMs = nowMs
    this.onAnnouncement(announcement, nowMs)
  }

  get announcement(): Announcement {
    return this.#announcement
  }

  get slots(): number {
    return this.#announcement.slots
  }

  get inFlight(): number {
    return this.#invocations.size
  }

  get othersBusy(): number {
    return this.#othersBusy
  }

  get isEligible(): boolean {
    if (this.#announcement.state !== 'ready' || this.#isStale) return false
    return this.#conduct.isolationReason === null && this.#room.isThere(this.inFlight)
  }

  /** What an operator is shown. */
  get state(): RunnerState {
    if (this.#conduct.isolationReason !== null) return 'isolated'
    const { state } = this.#announcement
    // A `load` may block its process.
    return this.#isStale && state !== 'loading' ? 'silent' : state
  }

  get isolationReason(): string | null {
    return this.#conduct.isolationReason
  }

  get isolationMs(): number {
    return this.#conduct.isolationMs
  }

  get isLoading(): boolean {
    return this.#announcement.state === 'loading' && !this.#hasLoadTimedOut
  }

  get sinceMs(): number {
    return this.#sinceMs
  }

  /** Whether it should have said by now that it has loaded, or has not. */
  isLoadOverdue(nowMs: number, graceMs: number): boolean {
    const { loadTimeoutMs } = this.#announcement
    if (!this.isLoading || loadTimeoutMs === null || loadTimeoutMs === undefined) return false
    return nowMs - this.#sinceMs > loadTimeoutMs + graceMs
  }

  markLoadTimedOut(): void {
    this.#hasLoadTimedOut = true
  }

  get lastHeardMs(): number {
    return this.#lastHeardMs
  }

  onAnnouncement(announcement: Announcement, nowMs: number): void {
    this.#announcement = announcement
    this.#lastHeardMs = nowMs
    this.#isStale = false
    let busy = 0
    for (const count of Object.values(announcement.busyBy)) busy += count
    const ours = announcement.busyBy[this.#callerId] ?? 0
    this.#othersBusy = busy - ours
    // It has taken the call that it was tried with, and has nothing to say to it yet.
    if (this.#room.isProbed && ours >= this.inFlight) this.#onAnswer()
    if (busy < announcement.slots) {
      const reason = this.#room.onFreeSlots(announcement.slots - busy, this.inFlight, nowMs)
      if (reason !== null) this.isolate(reason)
    }
    this.#giveUpForgotten(this.#conduct.forgottenOf(ours, this.#invocations, nowMs))
  }

  #giveUpForgotten(ids: readonly number[]): void {
    if (ids.length === 0) return
    this.isolate('it knows nothing of calls that it was given')
    for (const id of ids) this.#invocations.get(id)?.onLost(runnerLost())
  }

  /** It has broken the protocol, or does not answer: no calls for a while. */
  isolate(reason: string): void {
    if (this.#conduct.isolate(reason, performance.now())) this.#owner.onIsolated(this)
  }

  endIsolationIfOver(nowMs: number): void {
    if (!this.#conduct.endIsolationIfOver(nowMs)) return
    this.#room.forgive()
    this.#owner.onSlot(this)
  }

  /** A clock has ended one of its calls, to which it had not said anything, through no fault of the client. */
  onUnanswered(): void {
    const reason = this.#conduct.onUnanswered(performance.now())
    // A slow answer is better than none.
    if (reason !== null && this.#owner.canSpare(this)) this.isolate(reason)
  }

  /** It is forgotten. */
  close(): void {
    clearTimeout(this.#freeAgain)
  }

  markStale(): void {
    this.#isStale = true
  }

  /** Gives the invocation a slot and sends its CALL. */
  take(invocation: Invocation): void {
    const id = this.#owner.nextId()
    this.#room.onGiven(id)
    this.#invocations.add(id, invocation)
    invocation.counters.occupy()
    invocation.assign(this, id)
  }

  holds(id: number): boolean {
    return this.#invocations.has(id)
  }

  release(id: number): void {
    const invocation = this.#invocations.get(id)
    if (invocation === undefined) return
    this.#invocations.delete(id)
    this.#room.onEnded(id)
    invocation.counters.release()
    this.#owner.onSlot(this)
  }

  /** Asks, in effect, whether it is there: nobody answers, but the server says when nobody hears. */
  ping(): void {
    this.outbox.send([FRAME.ping])
  }

  onMessage(payload: Uint8Array): void {
    try {
      decodeFrames(payload, (frame) => this.#onFrameSafely(frame))
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.isolate(`it sent what cannot be read: ${error.message}`)
      for (const invocation of this.#invocations.values()) invocation.onProtocolError()
    } finally {
      // Answers that were read before what cannot be are answers.
      this.#flush()
    }
  }

  /** It hears `flush` when all of this message has been read: many answers, and tokens of many streams, come at once. */
  flushLater(invocation: Invocation): void {
    this.#unflushed.push(invocation)
  }

  #flush(): void {
    if (this.#unflushed.length === 0) return
    for (const invocation of this.#unflushed.splice(0)) {
      try {
        invocation.flush()
      } catch (error) {
        this.#owner.onHandlerError(this, error)
      }
    }
  }

  /**
   * The server says that nobody hears it. True where that is not its end yet: one that leaves in order listens no
   * more first, and what it has to say of the calls that have arrived may be under way.
   */
  onUnheard(nowMs: number): boolean {
    this.#unheardMs ??= nowMs
    return this.#announcement.state === 'draining' && nowMs - this.#unheardMs < LAST_WORDS_MS
  }

  /** Nothing of message `number` and later has arrived. */
  onNotArrived(number: number): void {
    for (const invocation of this.#invocations.values()) {
      if (invocation.messageNumber >= number) invocation.onNotTaken()
    }
  }

  /** Nothing of message `number` and later has arrived, and the runner is gone. */
  onNoResponders(number: number): void {
    this.onNotArrived(number)
    for (const invocation of this.#invocations.values()) invocation.onLost(runnerLost())
  }

  /** Our connection is gone, and nobody knows what has arrived. */
  onLost(error: CallError): void {
    const invocations = this.#invocations.values()
    for (const invocation of invocations) {
      this.#orphans.push(invocation.id)
      invocation.onLost(error)
    }
  }

  /** Our connection is back: what was given up meanwhile need not go on over there. */
  cancelOrphans(): void {
    for (const id of this.#orphans.splice(0)) this.outbox.send([FRAME.cancel, id, 'cancelled'])
  }

  /** We are about to leave: every invocation ends, here and over there. */
  endAll(error: CallError): void {
    for (const invocation of this.#invocations.values()) invocation.abort(error)
  }

  #onFrameSafely(frame: Frame): void {
    try {
      this.#onFrame(frame)
    } catch (error) {
      if (error instanceof CodecError) throw error
      this.#owner.onHandlerError(this, error)
    }
  }

  #onFrame(frame: Frame): void {
    switch (frame[0]) {
      case FRAME.reply:
        return this.#answering(frame[1])?.onReply(frame[2], frame[3], frame[4])
      case FRAME.head:
        return this.#answering(frame[1], true)?.onHead(frame[2], frame[3])
      case FRAME.body:
        return this.#known(frame[1])?.onBody(frame[2])
      case FRAME.end:
        return this.#lookUp(frame[1])?.onEnd()
      case FRAME.error:
        // Also to a CANCEL: a function that is slow and stops when it is told to is a healthy one.
        return this.#answering(frame[1])?.onError(frame)
      case FRAME.credit:
        return this.#known(frame[1])?.onCredit(frame[2])
      case FRAME.busy:
        return this.#onBusy(frame[1])
      case FRAME.free:
        return this.#onFree(frame[1])
      case FRAME.accept:
        return this.#answering(frame[1], true)?.onAccept(frame[2])
      case FRAME.message:
        return this.#known(frame[1])?.onMessage(frame[2], frame[3])
      case FRAME.close:
        return this.#known(frame[1])?.onClose(frame[2], frame[3])
      case FRAME.ping:
        return
      case FRAME.call:
      case FRAME.cancel:
        throw new CodecError('The runner sent a frame that only callers send.')
      default:
        frame satisfies never
    }
  }

  #onBusy(id: number): void {
    const invocation = this.#lookUp(id)
    if (invocation === undefined) return
    this.#room.onBusy(id, this.inFlight - 1, performance.now())
    invocation.onNotTaken()
  }

  #onFree(slots: number): void {
    clearTimeout(this.#freeAgain)
    const waitMs = this.#room.onFree(slots, this.inFlight, performance.now())
    if (waitMs !== null) {
      this.#freeAgain = setTimeout(() => this.#onFree(slots), waitMs)
      return
    }
    this.#owner.onSlot(this)
    // Nobody else gets them as long as they are kept for us.
    if (this.#room.takeUnused() > 0) this.outbox.send([FRAME.free, 0])
  }

  /** The invocation to which it says the first thing, or all. */
  #answering(id: number, isMore = false): Invocation | undefined {
    const invocation = isMore ? this.#known(id) : this.#lookUp(id)
    if (invocation !== undefined) this.#onAnswer()
    return invocation
  }

  #onAnswer(): void {
    this.#conduct.onAnswer()
    if (this.#room.onAnswer()) this.#owner.onSlot(this)
  }

  /** An invocation that we no longer know goes on over there: its CANCEL was lost. Say it again. */
  #known(id: number): Invocation | undefined {
    const invocation = this.#lookUp(id)
    if (invocation === undefined) this.outbox.send([FRAME.cancel, id, 'cancelled'])
    return invocation
  }

  /** One that has ended is no fault: the frame was under way. One that it was never given is. */
  #lookUp(id: number): Invocation | undefined {
    const invocation = this.#invocations.get(id)
    if (invocation === undefined && this.#owner.isForeign(this, id)) {
      this.isolate('it answered a call that it was not given')
    }
    return invocation
  }
}

export function runnerLost(): CallError {
  return new CallError(
    'runner_lost',
    'The runner of this call was lost. Try again if that is safe for what it does.',
  )
}
