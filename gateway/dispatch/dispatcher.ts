// Starts invocations: finds each a runner with a free slot, or lets it wait its turn in its function's
// queue. Knows functions, runners and slots, and nothing of HTTP; the gateway's front and the client
// library are both made of it.
//
// Addressed, not queue-grouped: every CALL goes to one runner that we chose. NATS queue groups pick at
// random, and a short call would wait behind a long one while another runner idles.

import type { Logger } from 'pino'
import type { Bus } from '../../shared/bus.js'
import { CreditBudget } from '../../shared/credit.js'
import { CallError } from '../../shared/errors.js'
import { Mailroom } from '../../shared/outbox.js'
import { newPeerId, type Subjects } from '../../shared/subjects.js'
import type { AnswerHandler, CallHead } from './answer-handler.js'
import { Counters, type CounterValues } from './counters.js'
import { Fleet } from './fleet.js'
import { Invocation, type InvocationOwner } from './invocation.js'
import { type LoadFailure, loadError } from './load-failures.js'
import { pickRunner } from './pick-runner.js'
import { FairQueue } from './queue.js'
import { openReplyInbox } from './reply-inbox.js'
import type { RunnerLink, RunnerState } from './runner-link.js'

export interface DispatcherOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly log: Logger
  /** Memory for bodies in flight, in bytes. */
  readonly creditBytes: number
  /** Calls of one function that may wait for a slot. */
  readonly maxQueued: number
  /** Longest wait for a slot, in milliseconds. */
  readonly queueWaitMs: number
}

/** One function's waiting calls and what became of the others. */
interface Desk {
  readonly queue: FairQueue<Invocation>
  readonly counters: Counters
  readonly waitTimers: Map<Invocation, NodeJS.Timeout>
  /** Counts up, so that equally loaded runners take turns. */
  offset: number
}

export interface FunctionStatus {
  readonly name: string
  readonly queued: number
  readonly counters: CounterValues
  readonly runners: readonly RunnerStatus[]
  /** Of the last `load` that failed, until a runner becomes ready. */
  readonly loadFailure: LoadFailure | null
}

export interface RunnerStatus {
  readonly id: string
  readonly state: RunnerState
  /** Why it is isolated. */
  readonly reason: string | null
  readonly slots: number
  /** Calls of this caller. */
  readonly inFlight: number
  /** Calls of others, as last announced. */
  readonly othersBusy: number
  readonly host: string
  readonly pid: number
  readonly startedAt: string
}

export class Dispatcher {
  readonly callerId = newPeerId()
  /** Resolves when the runners that there are have been heard of, soon in any case. */
  readonly rollCall: Promise<void>
  readonly budget: CreditBudget
  readonly #options: DispatcherOptions
  readonly #mailroom: Mailroom
  readonly #fleet: Fleet
  readonly #desks = new Map<string, Desk>()
  readonly #stops: (() => void)[]
  #nextId = 1
  readonly #owner: InvocationOwner

  constructor(options: DispatcherOptions) {
    const { bus, subjects } = options
    this.#options = options
    this.budget = new CreditBudget(options.creditBytes)
    this.#owner = {
      budget: this.budget,
      onUnqueued: (invocation) =>
        this.#leaveQueue(this.#desk(invocation.head.functionName), invocation),
      onReturned: (invocation) => this.#onReturned(invocation),
    }
    this.#mailroom = new Mailroom(bus)
    this.#fleet = new Fleet({
      ...options,
      mailroom: this.#mailroom,
      callerId: this.callerId,
      owner: {
        nextId: () => this.#nextId++,
        onHandlerError: (runner, error) =>
          options.log.error({ runner: runner.id, err: error }, 'handling a frame failed'),
        onSlot: (runner) => this.#serveQueue(runner.functionName),
        onLoadFailed: (functionName) => this.#refuseQueue(functionName),
      },
    })
    this.rollCall = this.#fleet.rollCall()
    this.#stops = [
      openReplyInbox(bus, subjects, this.callerId, this.#fleet),
      bus.onConnection((isConnected) => this.#onConnection(isConnected)),
    ]
  }

  /**
   * Starts an invocation. `body` is the request's body or its beginning, kept until the call has been
   * taken; with `hasMore`, `Invocation.write` and `end` follow.
   */
  start(
    head: CallHead,
    body: Uint8Array | null,
    hasMore: boolean,
    handler: AnswerHandler,
  ): Invocation {
    const desk = this.#desk(head.functionName)
    const invocation = new Invocation(this.#owner, head, body, hasMore, handler, desk.counters)
    // Never past the ones that wait already, even when a slot has just become free.
    const runner = desk.queue.length === 0 ? this.#pick(head.functionName, desk) : undefined
    const failure = runner === undefined ? this.#fleet.whyNoneLoads(head.functionName) : null
    if (runner !== undefined) runner.take(invocation)
    else if (failure !== null) invocation.reject(loadError(failure))
    else if (desk.queue.length >= this.#options.maxQueued) {
      invocation.reject(
        new CallError(
          'no_capacity',
          'Every slot is taken and the queue is full. Try again later.',
          {
            retryAfterSeconds: 1,
          },
        ),
      )
    } else this.#enqueue(desk, invocation)
    return invocation
  }

  /** Everything that an operator wants to see of one function. */
  status(functionName: string): FunctionStatus {
    const desk = this.#desks.get(functionName)
    return {
      name: functionName,
      queued: desk?.queue.length ?? 0,
      counters: (desk?.counters ?? new Counters()).values,
      runners: this.#fleet.runnersOf(functionName).map(statusOf),
      loadFailure: this.#fleet.loadFailures.of(functionName),
    }
  }

  /** Functions that have runners or have been called. */
  get functionNames(): Set<string> {
    const names = new Set(this.#desks.keys())
    for (const runner of this.#fleet.runners) names.add(runner.functionName)
    return names
  }

  /** Calls that are with a runner or wait for one. */
  get inFlight(): number {
    let count = 0
    for (const desk of this.#desks.values())
      count += desk.queue.length + desk.counters.values.inFlight
    return count
  }

  /** Ends everything: calls that wait are refused, calls that are with a runner are cancelled there. */
  close(): void {
    const error = new CallError('draining', 'This end is shutting down.', { retryAfterSeconds: 1 })
    for (const desk of this.#desks.values()) {
      for (let next = desk.queue.shift(); next !== undefined; next = desk.queue.shift()) {
        this.#stopWaiting(desk, next)
        next.reject(error)
      }
    }
    for (const runner of this.#fleet.runners) runner.endAll(error)
    this.#mailroom.flush()
    for (const stop of this.#stops) stop()
    this.#fleet.close()
  }

  #desk(functionName: string): Desk {
    let desk = this.#desks.get(functionName)
    if (desk === undefined) {
      desk = { queue: new FairQueue(), counters: new Counters(), waitTimers: new Map(), offset: 0 }
      this.#desks.set(functionName, desk)
    }
    return desk
  }

  #pick(functionName: string, desk: Desk): RunnerLink | undefined {
    // What is published now would be dropped: better to wait for the connection, like for a slot.
    if (!this.#options.bus.isConnected) return undefined
    return pickRunner(this.#fleet.runnersOf(functionName), desk.offset++)
  }

  #serveQueue(functionName: string): void {
    const desk = this.#desks.get(functionName)
    if (desk === undefined) return
    while (desk.queue.length > 0) {
      const runner = this.#pick(functionName, desk)
      if (runner === undefined) return
      const invocation = desk.queue.shift()!
      this.#stopWaiting(desk, invocation)
      runner.take(invocation)
    }
  }

  /** No runner of this function will be ready soon: better to say so than to let its calls wait. */
  #refuseQueue(functionName: string): void {
    const failure = this.#fleet.whyNoneLoads(functionName)
    const desk = this.#desks.get(functionName)
    if (failure === null || desk === undefined) return
    for (let next = desk.queue.shift(); next !== undefined; next = desk.queue.shift()) {
      this.#stopWaiting(desk, next)
      next.reject(loadError(failure))
    }
  }

  #enqueue(desk: Desk, invocation: Invocation): void {
    desk.queue.push(invocation, invocation.head.fairnessKey)
    this.#startWaiting(desk, invocation)
  }

  #startWaiting(desk: Desk, invocation: Invocation): void {
    const timer = setTimeout(
      () => this.#onWaitedTooLong(desk, invocation),
      this.#options.queueWaitMs,
    )
    desk.waitTimers.set(invocation, timer)
  }

  #stopWaiting(desk: Desk, invocation: Invocation): void {
    clearTimeout(desk.waitTimers.get(invocation))
    desk.waitTimers.delete(invocation)
  }

  #onWaitedTooLong(desk: Desk, invocation: Invocation): void {
    this.#leaveQueue(desk, invocation)
    const hasRunners = this.#fleet.runnersOf(invocation.head.functionName).length > 0
    const waited = `within ${this.#options.queueWaitMs} ms`
    invocation.reject(
      new CallError(
        'no_capacity',
        hasRunners
          ? `No slot became free ${waited}.`
          : `No runner of this function appeared ${waited}.`,
        { retryAfterSeconds: 1 },
      ),
    )
  }

  #leaveQueue(desk: Desk, invocation: Invocation): void {
    this.#stopWaiting(desk, invocation)
    desk.queue.remove(invocation, invocation.head.fairnessKey)
  }

  /** Its runner was full or gone before it began: another one, or the head of the queue. */
  #onReturned(invocation: Invocation): void {
    const { functionName } = invocation.head
    const desk = this.#desk(functionName)
    const runner = this.#pick(functionName, desk)
    if (runner !== undefined) return runner.take(invocation)
    const failure = this.#fleet.whyNoneLoads(functionName)
    if (failure !== null) return invocation.reject(loadError(failure))
    desk.queue.pushBack(invocation)
    this.#startWaiting(desk, invocation)
  }

  // What was sent before the loss is neither repeated nor awaited: nobody knows what has arrived.
  #onConnection(isConnected: boolean): void {
    for (const runner of this.#fleet.runners) {
      if (isConnected) runner.cancelOrphans()
      else runner.onLost()
    }
    if (!isConnected) return
    this.#fleet.discover()
    for (const functionName of this.#desks.keys()) this.#serveQueue(functionName)
  }
}

function statusOf(runner: RunnerLink): RunnerStatus {
  const { host, pid, startedAt } = runner.announcement
  return {
    id: runner.id,
    state: runner.state,
    reason: runner.isolationReason,
    slots: runner.slots,
    inFlight: runner.inFlight,
    othersBusy: runner.othersBusy,
    host,
    pid,
    startedAt,
  }
}
