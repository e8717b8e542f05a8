// One runner, as this caller sees it: its slots, its invocations, and what it sends us.
// Owns the slots: one is taken by `take` and freed by `release`, both idempotent by id.

import type { Announcement } from '../../shared/announcement.js'
import { CodecError, decodeFrames } from '../../shared/codec.js'
import { CallError } from '../../shared/errors.js'
import { FRAME, type Frame } from '../../shared/frame.js'
import type { Outbox } from '../../shared/outbox.js'
import type { Invocation } from './invocation.js'
import { hashOf, type RunnerLoad } from './pick-runner.js'

export interface RunnerLinkOwner {
  /** An id that no invocation of this caller has had: a runner that was forgotten may come back. */
  nextId(): number
  /** A slot has become free, or the runner says that it has one. */
  onSlot(runner: RunnerLink): void
  onBrokenMessage(runner: RunnerLink, error: CodecError): void
  /** A handler threw: a bug on our side, which must not end the reading of messages. */
  onHandlerError(runner: RunnerLink, error: unknown): void
}

export class RunnerLink implements RunnerLoad {
  readonly id: string
  readonly functionName: string
  readonly version: string
  readonly idHash: number
  readonly outbox: Outbox
  readonly #owner: RunnerLinkOwner
  readonly #callerId: string
  readonly #invocations = new Map<number, Invocation>()
  readonly #unflushed: Invocation[] = []
  /** Given up while the connection was lost. */
  readonly #orphans: number[] = []
  #announcement: Announcement
  #lastHeardMs: number
  #othersBusy = 0
  /** It has said BUSY, and not yet FREE. */
  #isFull = false
  #isStale = false

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
    return this.#announcement.state === 'ready' && !this.#isFull && !this.#isStale
  }

  get isStale(): boolean {
    return this.#isStale
  }

  get lastHeardMs(): number {
    return this.#lastHeardMs
  }

  onAnnouncement(announcement: Announcement, nowMs: number): void {
    this.#announcement = announcement
    this.#lastHeardMs = nowMs
    this.#isStale = false
    // A FREE can be lost with a connection; an announcement with room in it says the same.
    let busy = 0
    for (const count of Object.values(announcement.busyBy)) busy += count
    this.#othersBusy = busy - (announcement.busyBy[this.#callerId] ?? 0)
    if (busy < announcement.slots) this.#isFull = false
  }

  markStale(): void {
    this.#isStale = true
  }

  /** Gives the invocation a slot and sends its CALL. */
  take(invocation: Invocation): void {
    const id = this.#owner.nextId()
    this.#invocations.set(id, invocation)
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
      this.#owner.onBrokenMessage(this, error)
      for (const invocation of [...this.#invocations.values()]) invocation.onProtocolError()
    }
    this.#flush()
  }

  /** The pieces of its body in this message are written as one: many tokens of many streams come at once. */
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

  /** Nothing of message `number` and later has arrived: the runner is gone. */
  onNoResponders(number: number): void {
    for (const invocation of [...this.#invocations.values()]) {
      if (invocation.messageNumber >= number) invocation.onNotTaken()
      else invocation.onLost(runnerLost())
    }
  }

  /** Our connection is gone, and nobody knows what has arrived. */
  onLost(error: CallError): void {
    const invocations = [...this.#invocations.values()]
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
    for (const invocation of [...this.#invocations.values()]) invocation.abort(error)
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
        return this.#invocations.get(frame[1])?.onReply(frame[2], frame[3], frame[4])
      case FRAME.head:
        return this.#known(frame[1])?.onHead(frame[2], frame[3])
      case FRAME.body:
        return this.#known(frame[1])?.onBody(frame[2])
      case FRAME.end:
        return this.#invocations.get(frame[1])?.onEnd()
      case FRAME.error:
        return this.#invocations.get(frame[1])?.onError(frame)
      case FRAME.credit:
        return this.#known(frame[1])?.onCredit(frame[2])
      case FRAME.busy:
        this.#isFull = true
        return this.#invocations.get(frame[1])?.onNotTaken()
      case FRAME.free:
        this.#isFull = false
        return this.#owner.onSlot(this)
      case FRAME.accept:
        return this.#known(frame[1])?.onAccept(frame[2])
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

  /** An invocation that we no longer know goes on over there: its CANCEL was lost. Say it again. */
  #known(id: number): Invocation | undefined {
    const invocation = this.#invocations.get(id)
    if (invocation === undefined) this.outbox.send([FRAME.cancel, id, 'cancelled'])
    return invocation
  }
}

function runnerLost(): CallError {
  return new CallError(
    'runner_lost',
    'The runner of this call was lost. Try again if that is safe for what it does.',
  )
}
