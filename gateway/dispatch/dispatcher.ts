// Starts invocations: finds each a runner with a free slot, or lets it wait its turn in its function's
// queue. Knows functions, runners and slots, and nothing of HTTP; the gateway's front and the client
// library are both made of it.
//
// Addressed, not queue-grouped: every CALL goes to one runner that we chose. NATS queue groups pick at
// random, and a short call would wait behind a long one while another runner idles.

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import type { Bus } from '../../shared/bus.js'
import { CreditBudget } from '../../shared/credit.js'
import type { Traffic } from '../../shared/deployment.js'
import { CallError } from '../../shared/errors.js'
import { Mailroom } from '../../shared/outbox.js'
import { newPeerId, type Subjects } from '../../shared/subjects.js'
import type { AnswerHandler, CallHead } from './answer-handler.js'
import { type CallLimitOptions, CallLimits } from './call-limits.js'
import { Counters, type CounterValues } from './counters.js'
import { Desk } from './desk.js'
import { Fleet } from './fleet.js'
import { Invocation, type InvocationOwner } from './invocation.js'
import { type LoadFailure, loadError } from './load-failures.js'
import { openReplyInbox } from './reply-inbox.js'
import type { RunnerLink, RunnerState } from './runner-link.js'

export interface DispatcherOptions extends CallLimitOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly log: Logger
  /** Memory for bodies in flight, in bytes. */
  readonly creditBytes: number
  /** Calls of one function that may wait for a slot. */
  readonly maxQueued: number
  /** Longest wait for a slot, in milliseconds. */
  readonly queueWaitMs: number
  /** Largest request body that is kept for another attempt, in bytes. */
  readonly retryBodyBytes: number
}

export interface FunctionStatus {
  readonly name: string
  readonly queued: number
  /** Weights of its versions, where calls are shared out by them. */
  readonly traffic: Traffic | null
  readonly counters: CounterValues
  readonly runners: readonly RunnerStatus[]
  /** Of the last `load` that failed, until a runner becomes ready. */
  readonly loadFailure: LoadFailure | null
}

export interface RunnerStatus {
  readonly id: string
  readonly version: string
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
  readonly limits: CallLimits
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
    this.limits = new CallLimits(options)
    this.#owner = {
      budget: this.budget,
      retryBodyBytes: options.retryBodyBytes,
      mayRetry: ({ head }) => this.#desk(head.functionName).retryBudget.take(performance.now()),
      onUnqueued: (invocation) => this.#desk(invocation.head.functionName).leave(invocation),
      onReturned: (invocation) => this.#onReturned(invocation),
      onEnded: ({ head }) => this.limits.leave(head.fairnessKey),
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
        onSlot: (runner) => {
          const desk = this.#desks.get(runner.functionName)
          if (desk !== undefined && desk.length > 0) this.#serve(desk)
        },
        onLoadFailed: (functionName) => {
          const failure = this.#fleet.whyNoneLoads(functionName)
          if (failure !== null) this.refuseWaiting(functionName, loadError(failure))
        },
      },
    })
    this.rollCall = this.#fleet.rollCall()
    const replies = openReplyInbox(bus, subjects, this.callerId, this.#fleet)
    this.#stops = [
      () => replies.close(),
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
    const refusal = this.limits.enter(head.fairnessKey)
    if (refusal !== null) invocation.reject(refusal)
    else this.#place(desk, invocation)
    return invocation
  }

  /** How the calls of a function are shared out among its versions; null: by load. */
  setTraffic(functionName: string, traffic: Traffic | null): void {
    const known = this.#desks.get(functionName)?.traffic ?? null
    if (JSON.stringify(known) === JSON.stringify(traffic)) return
    const desk = this.#desk(functionName)
    desk.traffic = traffic
    this.#serve(desk)
  }

  /** Whoever waits for a slot of this function waits in vain. */
  refuseWaiting(functionName: string, error: CallError): void {
    for (const invocation of this.#desks.get(functionName)?.empty() ?? []) invocation.reject(error)
  }

  /** Sends what has been gathered in this turn of the event loop, which may still be long. */
  flush(): void {
    this.#mailroom.flush()
  }

  /** Everything that an operator wants to see of one function. */
  status(functionName: string): FunctionStatus {
    const desk = this.#desks.get(functionName)
    return {
      name: functionName,
      queued: desk?.length ?? 0,
      traffic: desk?.traffic ?? null,
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
    for (const desk of this.#desks.values()) count += desk.length + desk.counters.values.inFlight
    return count
  }

  /** Ends everything: calls that wait are refused, calls that are with a runner are cancelled there. */
  close(): void {
    const error = new CallError('draining', 'This end is shutting down.', { retryAfterSeconds: 1 })
    for (const functionName of this.#desks.keys()) this.refuseWaiting(functionName, error)
    for (const runner of this.#fleet.runners) runner.endAll(error)
    this.#mailroom.flush()
    for (const stop of this.#stops) stop()
    this.#fleet.close()
  }

  #desk(functionName: string): Desk {
    let desk = this.#desks.get(functionName)
    if (desk === undefined) {
      desk = new Desk(functionName, {
        ...this.#options,
        onWaitedTooLong: (desk, invocation) => this.#onWaitedTooLong(desk, invocation),
      })
      this.#desks.set(functionName, desk)
    }
    return desk
  }

  /** A runner, or a place in the queue, or neither. */
  #place(desk: Desk, invocation: Invocation): void {
    // Never past the ones that wait already, even when a slot has just become free.
    const runner = desk.hasLine ? undefined : this.#pick(desk, invocation)
    if (runner !== undefined) {
      desk.retryBudget.onCall(performance.now())
      return runner.take(invocation)
    }
    const failure = this.#fleet.whyNoneLoads(desk.functionName)
    if (failure !== null) return invocation.reject(loadError(failure))
    const refusal = desk.whyNotWait(invocation, performance.now())
    if (refusal === null) desk.enqueue(invocation)
    else invocation.reject(this.#options.bus.isConnected ? refusal : transportUnavailable())
  }

  #pick(desk: Desk, invocation: Invocation): RunnerLink | undefined {
    // What is published now would be dropped: better to wait for the connection, like for a slot.
    if (!this.#options.bus.isConnected) return undefined
    return desk.pick(this.#fleet.runnersOf(desk.functionName), invocation)
  }

  #serve(desk: Desk): void {
    if (this.#options.bus.isConnected) desk.serve(this.#fleet.runnersOf(desk.functionName))
  }

  #onWaitedTooLong(desk: Desk, invocation: Invocation): void {
    if (!this.#options.bus.isConnected) return invocation.reject(transportUnavailable())
    const hasRunners = this.#fleet.runnersOf(desk.functionName).length > 0
    const waited = `within ${Math.round(performance.now() - invocation.seeksSinceMs)} ms`
    const message = hasRunners
      ? `No slot became free ${waited}.`
      : `No runner of this function appeared ${waited}.`
    const retryAfterSeconds = desk.retryAfterSeconds(performance.now())
    invocation.reject(new CallError('no_capacity', message, { retryAfterSeconds }))
  }

  /** It goes to another runner: its own was full, or gone before it began, or it may be tried again. */
  #onReturned(invocation: Invocation): void {
    const desk = this.#desk(invocation.head.functionName)
    const runner = this.#pick(desk, invocation)
    if (runner !== undefined) return runner.take(invocation)
    const failure = this.#fleet.whyNoneLoads(desk.functionName)
    if (failure !== null) invocation.reject(loadError(failure))
    else if (desk.leftMs(invocation) === 0) this.#onWaitedTooLong(desk, invocation)
    else desk.putBack(invocation)
  }

  // What was sent before the loss is neither repeated nor awaited: nobody knows what has arrived.
  #onConnection(isConnected: boolean): void {
    for (const runner of this.#fleet.runners) {
      if (isConnected) runner.cancelOrphans()
      else runner.onLost(transportUnavailable())
    }
    if (!isConnected) return
    this.#fleet.discover()
    for (const desk of this.#desks.values()) this.#serve(desk)
  }
}

/** To whoever cannot be served, and to those that were sent: nobody knows what became of them. */
function transportUnavailable(): CallError {
  return new CallError(
    'transport_unavailable',
    'The connection between gateway and runners is lost. Try again in a moment.',
    { retryAfterSeconds: 1 },
  )
}

function statusOf(runner: RunnerLink): RunnerStatus {
  const { host, pid, startedAt } = runner.announcement
  return {
    id: runner.id,
    version: runner.version,
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
