// Takes CALLs from callers and runs them: the runner's read loop. Each caller has its own outbox and its
// own calls; the slots are shared. Until it is opened it takes none: the function is still being loaded.
//
// A runner's id lives as long as its connection. After a loss nobody knows which frames have arrived, so
// the old id stays silent for ever (the server says so to whoever still asks for it), every call is
// aborted, and the runner comes back under a new one.

import type { Logger } from 'pino'
import type { Bus, BusMessage, BusSubscription } from '../shared/bus.js'
import { CodecError, decodeFrames } from '../shared/codec.js'
import { type CallFrame, FRAME, type Frame } from '../shared/frame.js'
import { IdMap } from '../shared/id-map.js'
import { Mailroom, type Outbox } from '../shared/outbox.js'
import { newPeerId, type Subjects, TOKEN } from '../shared/subjects.js'
import { type CallEnvironment, RunnerCall } from './call.js'
import { EarlyCancels } from './early-cancels.js'
import { Slots } from './slots.js'
import { WaitingCallers } from './waiting-callers.js'

const PING_INTERVAL_MS = 1_000
/** No caller's id. */
const LOST_CALLERS = '-'

export interface ServerOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly slots: number
  readonly log: Logger
  /** Slots were freed or poisoned. */
  readonly onSlots: () => void
  /** The runner has a new id, under which it can be called from now on. */
  readonly onRenamed: () => void
}

interface Caller {
  readonly id: string
  readonly outbox: Outbox
  readonly calls: IdMap<RunnerCall>
}

export class RunnerServer {
  readonly #options: ServerOptions
  readonly #mailroom: Mailroom
  #runnerId = newPeerId()
  #callers = new Map<string, Caller>()
  /** Of connections that were lost, as long as they have calls: these were aborted, and may take their time. */
  readonly #lostCallers = new Set<Caller>()
  readonly #slots: Slots
  readonly #waiting = new WaitingCallers<Caller>(() => this.#shareSlots())
  /** Null before `open`. */
  #environment: CallEnvironment | null = null
  readonly #earlyCancels = new EarlyCancels()
  /** Out of the message at hand: they begin when all of it has been read, and a CANCEL in it heard. */
  #taken: RunnerCall[] = []
  readonly #pings: NodeJS.Timeout
  #inbox: BusSubscription
  readonly #stopFollowing: () => void
  #isDraining = false
  /** Resolves `drained`. */
  #onIdle: (() => void) | null = null

  constructor(options: ServerOptions) {
    const { bus } = options
    this.#options = options
    this.#mailroom = new Mailroom(bus)
    this.#slots = new Slots(options.slots, () => this.#onSlots())
    this.#pings = setInterval(() => this.#ping(), PING_INTERVAL_MS)
    this.#inbox = this.#openInbox()
    this.#stopFollowing = bus.onConnection((isConnected) => {
      if (isConnected) void this.#comeBack()
      else this.#onDisconnected()
    })
  }

  /** Takes calls from now on. */
  open(environment: CallEnvironment): void {
    this.#environment = environment
    this.#onSlots()
  }

  get runnerId(): string {
    return this.#runnerId
  }

  /** Slots that are not poisoned. */
  get healthySlots(): number {
    return this.#slots.healthy
  }

  /** Slots in use, by caller; those of callers of lost connections together. */
  get busyBy(): Record<string, number> {
    const busy: Record<string, number> = {}
    const lost = callsOf(this.#lostCallers)
    if (lost > 0) busy[LOST_CALLERS] = lost
    for (const { id, calls } of this.#callers.values()) if (calls.size > 0) busy[id] = calls.size
    return busy
  }

  get inFlight(): number {
    return callsOf(this.#callers.values()) + callsOf(this.#lostCallers)
  }

  /** Takes no more calls; resolves when the ones that it has have settled. */
  drain(): Promise<void> {
    this.#isDraining = true
    // A WebSocket may go on for ever, and its client can come back to another runner at once.
    for (const { calls } of this.#callers.values()) {
      for (const call of calls.values()) if (call.isSocket) call.abort('draining')
    }
    if (this.inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  /**
   * Resolves when no CALL comes any more: the server says so to whoever sends one now, and what it had passed on
   * before was told BUSY.
   */
  async leave(): Promise<void> {
    await this.#inbox.drain()
    this.#mailroom.flush()
  }

  abortAll(code: 'cancelled' | 'draining'): void {
    for (const { calls } of this.#callers.values()) {
      for (const call of calls.values()) call.abort(code)
    }
  }

  close(): void {
    clearInterval(this.#pings)
    this.#waiting.clear()
    this.#mailroom.flush()
    this.#inbox.close()
    this.#stopFollowing()
  }

  #openInbox(): BusSubscription {
    const { bus, subjects } = this.#options
    return bus.subscribe(subjects.runnerInbox(this.#runnerId), (message) =>
      this.#onMessage(message),
    )
  }

  #onDisconnected(): void {
    this.#inbox.close()
    this.abortAll('cancelled')
    for (const caller of this.#callers.values()) {
      // The connection may be back before its calls have settled. What they say under the old id would be
      // believed: that a call was cancelled, which its caller did not ask for, and could try again elsewhere.
      caller.outbox.close()
      if (caller.calls.size > 0) this.#lostCallers.add(caller)
    }
    this.#callers = new Map()
    this.#waiting.clear()
  }

  async #comeBack(): Promise<void> {
    this.#runnerId = newPeerId()
    this.#inbox = this.#openInbox()
    try {
      // The inbox is open on the server before anybody can read of it.
      await this.#options.bus.flush()
    } catch {
      // Lost again: the next return of the connection starts over.
      return
    }
    this.#options.onRenamed()
  }

  #onMessage(message: BusMessage): void {
    const caller = this.#caller(this.#options.subjects.sender(message.subject))
    // Anybody who may call may choose what stands there.
    if (caller === null) return
    if (message.noResponders) return this.#onCallerGone(caller)
    try {
      decodeFrames(message.payload, (frame) => this.#onFrame(caller, frame))
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#options.log.error({ caller: caller.id, err: error }, error.message)
      for (const call of caller.calls.values()) call.abort('protocol_error')
    } finally {
      this.#beginTaken()
    }
  }

  #beginTaken(): void {
    if (this.#taken.length === 0) return
    const taken = this.#taken
    this.#taken = []
    for (const call of taken) void call.run()
  }

  #onFrame(caller: Caller, frame: Frame): void {
    switch (frame[0]) {
      case FRAME.call:
        return this.#onCall(caller, frame)
      // A call that has ended, or that was never taken: its late frames mean nothing.
      case FRAME.body:
        return caller.calls.get(frame[1])?.onBody(frame[2])
      case FRAME.end:
        return caller.calls.get(frame[1])?.onEnd()
      case FRAME.credit:
        return caller.calls.get(frame[1])?.onCredit(frame[2])
      case FRAME.cancel: {
        const call = caller.calls.get(frame[1])
        if (call === undefined) this.#earlyCancels.remember(caller.id, frame[1])
        else call.abort(frame[2])
        return
      }
      case FRAME.message:
        return caller.calls.get(frame[1])?.onMessage(frame[2], frame[3])
      case FRAME.close:
        return caller.calls.get(frame[1])?.onClose(frame[2], frame[3])
      case FRAME.free:
        return this.#waiting.giveUp(caller)
      case FRAME.ping:
        return
      case FRAME.busy:
      case FRAME.reply:
      case FRAME.head:
      case FRAME.error:
      case FRAME.accept:
        throw new CodecError('The caller sent a frame that only runners send.')
      default:
        frame satisfies never
    }
  }

  #onCall(caller: Caller, frame: CallFrame): void {
    const id = frame[1]
    if (caller.calls.has(id)) throw new CodecError(`The caller used the id ${id} twice.`)
    const environment = this.#isDraining ? null : this.#environment
    const mayTake = this.#waiting.take(caller) || this.#slots.free > this.#waiting.keptSlots
    const hold = environment === null || !mayTake ? null : this.#slots.take()
    if (environment === null || hold === null) {
      this.#waiting.add(caller)
      caller.outbox.send([FRAME.busy, id])
      return
    }
    const call = new RunnerCall(environment, frame, caller.outbox, hold, () =>
      this.#onEnded(caller, id),
    )
    caller.calls.add(id, call)
    if (this.#earlyCancels.take(caller.id, id)) call.abort('cancelled')
    this.#taken.push(call)
  }

  #onEnded(caller: Caller, id: number): void {
    caller.calls.delete(id)
    if (caller.calls.size === 0) this.#lostCallers.delete(caller)
    if (this.#onIdle !== null && this.inFlight === 0) this.#onIdle()
  }

  #onSlots(): void {
    this.#shareSlots()
    this.#options.onSlots()
  }

  #shareSlots(): void {
    if (this.#environment === null || this.#isDraining) return
    this.#waiting.share(this.#slots.free, ({ outbox }, slots) => outbox.send([FRAME.free, slots]))
  }

  /** Null for an id that is none. */
  #caller(id: string): Caller | null {
    let caller = this.#callers.get(id)
    if (caller === undefined) {
      if (!TOKEN.test(id)) return null
      const { subjects } = this.#options
      const runnerId = this.#runnerId
      const outbox = this.#mailroom.outbox(
        subjects.toCaller(id, runnerId),
        subjects.toRunner(runnerId, id),
        false,
      )
      caller = { id, outbox, calls: new IdMap() }
      this.#callers.set(id, caller)
    }
    return caller
  }

  /** Nobody hears this caller's inbox any more: nobody wants its answers. */
  #onCallerGone(caller: Caller): void {
    for (const call of caller.calls.values()) call.abort('cancelled')
    this.#waiting.delete(caller)
    if (caller.calls.size === 0) this.#callers.delete(caller.id)
  }

  // A caller that is gone is noticed when it is written to, so each one with calls is, now and then;
  // the others are pinged as well, to be forgotten.
  #ping(): void {
    for (const caller of this.#callers.values()) caller.outbox.send([FRAME.ping])
  }
}

function callsOf(callers: Iterable<Caller>): number {
  let count = 0
  for (const { calls } of callers) count += calls.size
  return count
}
