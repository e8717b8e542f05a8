// Calls of `work` or `record` at a steady pace, and what became of every single one.

import { createHistogram } from 'node:perf_hooks'
import type { WorkInput } from '../functions/work-input.js'
import type { CallEnd } from './call-end.js'
import type { HttpClient } from './http-client.js'
import { atPace } from './pace.js'
import { problemCode } from './problem.js'
import { Tally } from './tally.js'

export interface UnaryLoadOptions {
  readonly functionName: 'work' | 'record'
  /** That the function takes for each. */
  readonly ms: number
  readonly perSecond: number
  /** Tells its calls from those of another load on the same function. */
  readonly idPrefix?: string
  /** One call in so many comes on a connection of its own; none if absent. */
  readonly newcomerEvery?: number
}

export interface UnaryCall {
  readonly id: string
  readonly dueMs: number
  /** Later than that where the client is short of CPU time. */
  readonly sentMs: number
  readonly endMs: number
  /** `200`, or how it failed: `502 runner_lost`, `lost: ECONNRESET`, `hung`, `wrong content`. */
  readonly outcome: string
}

export const RIGHT = '200'

/** Longer than any of Callgate's clocks allows such a call, with its wait in the queue. */
export const PATIENCE_MS = 60_000

export class UnaryLoad {
  readonly outcomes = new Tally()
  /** Of calls that were answered rightly, from the moment when they were due. */
  readonly latencyUs = createHistogram()
  /** How late the client itself was. */
  readonly latenessUs = createHistogram()
  readonly failures: UnaryCall[] = []
  /** Told of every end. */
  onEnd: (call: UnaryCall) => void = () => {}
  readonly #client: HttpClient
  readonly #options: UnaryLoadOptions
  #seconds = 0

  constructor(client: HttpClient, options: UnaryLoadOptions) {
    this.#client = client
    this.#options = options
  }

  /** Starts no more when the signal aborts, and resolves when all that were started have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const calls = new Set<Promise<void>>()
    const startMs = performance.now()
    await atPace({ perSecond: this.#options.perSecond, signal }, (dueMs, index) => {
      const call = this.#call(dueMs, index).finally(() => calls.delete(call))
      calls.add(call)
    })
    this.#seconds = (performance.now() - startMs) / 1000
    await Promise.all(calls)
  }

  /** That the client has really made. */
  get startedPerSecond(): number {
    return this.outcomes.total / this.#seconds
  }

  p50Ms(): number {
    return this.#percentileMs(50)
  }

  p99Ms(): number {
    return this.#percentileMs(99)
  }

  /** NaN if nothing was answered: the histogram would say 0. */
  #percentileMs(percentile: number): number {
    return this.latencyUs.count === 0 ? Number.NaN : this.latencyUs.percentile(percentile) / 1000
  }

  async #call(dueMs: number, index: number): Promise<void> {
    const { functionName, ms, newcomerEvery = Number.POSITIVE_INFINITY } = this.#options
    const { idPrefix = functionName } = this.#options
    const input: WorkInput = { id: `${idPrefix}-${index}`, ms }
    const sentMs = performance.now()
    record(this.latenessUs, sentMs - dueMs)
    const end = await this.#client.call({
      method: 'POST',
      path: `/${functionName}`,
      body: JSON.stringify(input),
      patienceMs: PATIENCE_MS,
      isNewcomer: (index + 1) % newcomerEvery === 0,
    })
    const endMs = performance.now()
    const outcome = outcomeOf(end, JSON.stringify(input))
    const call = { id: input.id, dueMs, sentMs, endMs, outcome }
    this.outcomes.add(call.outcome)
    if (call.outcome === RIGHT) record(this.latencyUs, endMs - dueMs)
    else this.failures.push(call)
    this.onEnd(call)
  }
}

function record(histogram: UnaryLoad['latencyUs'], ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1000)))
}

/** @param body of the right answer */
function outcomeOf(end: CallEnd, body: string): string {
  switch (end.how) {
    case 'answered': {
      if (end.answer.status === 200) {
        return end.answer.body.toString() === body ? RIGHT : 'wrong content'
      }
      return `${end.answer.status} ${problemCode(end.answer) ?? 'that is no problem document'}`
    }
    case 'lost':
      return `lost: ${end.reason}`
    default:
      return end.how
  }
}
