// One function's desk: the calls that wait for a slot, what became of the others, and how calls are
// spread over its runners. Owns the timers of those that wait; the dispatcher says when to look.

import { performance } from 'node:perf_hooks'
import type { Traffic } from '../../shared/deployment.js'
import { CallError } from '../../shared/errors.js'
import { Counters } from './counters.js'
import { DrainRate } from './drain-rate.js'
import type { Invocation } from './invocation.js'
import { pickByAffinity, pickRunner } from './pick-runner.js'
import { FairQueue } from './queue.js'
import { RetryBudget } from './retry-budget.js'
import type { RunnerLink } from './runner-link.js'
import { TrafficSplit } from './traffic-split.js'

export interface DeskOptions {
  /** Calls that may wait for a slot. */
  readonly maxQueued: number
  /** Longest wait for a slot, in milliseconds, from runner to runner. */
  readonly queueWaitMs: number
  /** A call has waited for so long; it is out of the queue. */
  readonly onWaitedTooLong: (desk: Desk, invocation: Invocation) => void
}

/** What a client is told to wait, at the least and at most. */
const LEAST_RETRY_AFTER_S = 1
const MOST_RETRY_AFTER_S = 60

export class Desk {
  readonly functionName: string
  readonly counters = new Counters()
  readonly retryBudget = new RetryBudget()
  readonly #options: DeskOptions
  readonly #queue = new FairQueue<Invocation>()
  /** Had a runner that was full or was lost: they go before everybody. */
  readonly #returned = new Set<Invocation>()
  readonly #timers = new Map<Invocation, NodeJS.Timeout>()
  readonly #drainRate = new DrainRate()
  #split: TrafficSplit | null = null
  /** Counts up, so that equally loaded runners take turns. */
  #offset = 0

  constructor(functionName: string, options: DeskOptions) {
    this.functionName = functionName
    this.#options = options
  }

  /** Calls that wait for a slot. */
  get length(): number {
    return this.#queue.length + this.#returned.size
  }

  /** Whether a call that comes now would go past others: those that came back wait for another runner. */
  get hasLine(): boolean {
    return this.#queue.length > 0
  }

  /** How calls are shared out among the versions; null, for who has no registry: by load, whatever their version. */
  get traffic(): Traffic | null {
    return this.#split?.traffic ?? null
  }

  set traffic(traffic: Traffic | null) {
    this.#split = traffic === null ? null : new TrafficSplit(traffic)
  }

  /** The runner that this call should have now, or undefined. */
  pick(runners: readonly RunnerLink[], invocation: Invocation): RunnerLink | undefined {
    const { tried } = invocation
    const { affinityHash } = invocation.head
    const candidates = this.#split === null ? runners : this.#ofVersion(runners, affinityHash)
    return affinityHash === null
      ? pickRunner(candidates, this.#offset++, tried)
      : pickByAffinity(candidates, affinityHash, tried)
  }

  /** Why a new call had better not wait, or null. */
  whyNotWait(invocation: Invocation, nowMs: number): CallError | null {
    const { maxQueued, queueWaitMs } = this.#options
    if (this.length >= maxQueued) {
      return this.#refusal('Every slot is taken and the queue is full. Try again later.', nowMs)
    }
    const perSecond = this.#drainRate.perSecond(nowMs)
    if (perSecond === null) return null
    const before = this.#returned.size + this.#queue.lengthBefore(invocation.head)
    if ((before / perSecond) * 1_000 <= queueWaitMs) return null
    return this.#refusal('No slot will be free in time. Try again later.', nowMs)
  }

  enqueue(invocation: Invocation): void {
    this.#drainRate.onWaiting(performance.now())
    this.#queue.push(invocation, invocation.head)
    this.#startTimer(invocation)
  }

  /** It had its turn, and comes back for another runner. */
  putBack(invocation: Invocation): void {
    this.#drainRate.onWaiting(performance.now())
    this.#returned.add(invocation)
    this.#startTimer(invocation)
  }

  /** How much longer this call may wait. */
  leftMs({ seeksSinceMs, leftMs }: Invocation): number {
    const waitedMs = performance.now() - seeksSinceMs
    return Math.max(0, Math.min(Math.ceil(this.#options.queueWaitMs - waitedMs), leftMs))
  }

  /** Gives a runner to as many of those that wait as there are slots for. */
  serve(runners: readonly RunnerLink[]): void {
    if (this.length === 0) return
    for (const invocation of this.#returned) {
      const runner = this.pick(runners, invocation)
      if (runner === undefined) continue
      this.#returned.delete(invocation)
      this.#give(invocation, runner)
    }
    while (this.#queue.length > 0 && runners.some((runner) => this.#canTake(runner))) {
      const invocation = this.#queue.shift()!
      this.retryBudget.onCall(performance.now())
      this.#give(invocation, this.pick(runners, invocation)!)
    }
    this.#noteEmpty()
  }

  /** It waits no longer. */
  leave(invocation: Invocation): void {
    this.#stopTimer(invocation)
    if (!this.#returned.delete(invocation)) this.#queue.remove(invocation, invocation.head)
    this.#noteEmpty()
  }

  /** Takes everybody out who waits. */
  empty(): Invocation[] {
    const all = [...this.#returned]
    this.#returned.clear()
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      all.push(next)
    }
    for (const invocation of all) this.#stopTimer(invocation)
    this.#noteEmpty()
    return all
  }

  /** Seconds after which a client that was turned away may find room: by the queue and how fast it moves. */
  retryAfterSeconds(nowMs: number): number {
    const perSecond = this.#drainRate.perSecond(nowMs)
    const seconds = perSecond === null ? LEAST_RETRY_AFTER_S : Math.ceil(this.length / perSecond)
    return Math.min(Math.max(seconds, LEAST_RETRY_AFTER_S), MOST_RETRY_AFTER_S)
  }

  #refusal(message: string, nowMs: number): CallError {
    return new CallError('no_capacity', message, {
      retryAfterSeconds: this.retryAfterSeconds(nowMs),
    })
  }

  #give(invocation: Invocation, runner: RunnerLink): void {
    this.#stopTimer(invocation)
    this.#drainRate.onServed(performance.now())
    runner.take(invocation)
  }

  #noteEmpty(): void {
    if (this.length === 0) this.#drainRate.onEmpty()
  }

  #canTake(runner: RunnerLink): boolean {
    if (!runner.isEligible || runner.inFlight >= runner.slots) return false
    return this.#split === null || this.#split.weightOf(runner.version) > 0
  }

  #ofVersion(runners: readonly RunnerLink[], affinityHash: number | null): readonly RunnerLink[] {
    const split = this.#split!
    const only = onlyVersionOf(runners)
    if (only !== null) return split.weightOf(only) > 0 ? runners : []
    const versions = new Set<string>()
    for (const runner of runners) if (this.#canTake(runner)) versions.add(runner.version)
    const version =
      affinityHash === null ? split.pick(versions) : split.pickFor(affinityHash, versions)
    return runners.filter((runner) => runner.version === version)
  }

  #startTimer(invocation: Invocation): void {
    const timer = setTimeout(() => {
      this.leave(invocation)
      this.#options.onWaitedTooLong(this, invocation)
    }, this.leftMs(invocation))
    this.#timers.set(invocation, timer)
  }

  #stopTimer(invocation: Invocation): void {
    clearTimeout(this.#timers.get(invocation))
    this.#timers.delete(invocation)
  }
}

/** Null for runners of several versions, or none. */
function onlyVersionOf(runners: readonly RunnerLink[]): string | null {
  if (runners.length === 0) return null
  const { version } = runners[0]!
  for (let index = 1; index < runners.length; index++) {
    if (runners[index]!.version !== version) return null
  }
  return version
}
