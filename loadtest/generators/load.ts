// What a generator is asked for and what it answers. A generator is a process of its own, so that
// its CPU time is not a subject's, and drives all connections from one thread.

import type { Testbed } from '../testbed.js'
import type { LatencyCurve } from './latency-curve.js'

export interface Load {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent with POST; the right answer is 2xx and the same bytes. */
  readonly body: string
  /** If the right answer is not the same bytes: what it holds. */
  readonly answerPart?: string | undefined
  readonly connections: number
  /** Taken in turn, in place of the URL's own. */
  readonly paths?: readonly string[]
  /** Calls that a connection sends before it waits for the first answer. */
  readonly pipelining: number
  readonly seconds: number
}

export interface Measurement {
  /** What went right, in the scenario's unit: calls, tokens, messages or GiB. */
  readonly count: number
  readonly seconds: number
  /** What went wrong, by how. */
  readonly errors: Readonly<Record<string, number>>
}

export interface LoadResult extends Measurement {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly latency: LatencyCurve
  /** What went right in each COUNTED_EVERY_MS, the last of them cut short. */
  readonly counts: readonly number[]
}

export type Generator = (testbed: Testbed, load: Load) => Promise<LoadResult>

/** A call without an answer after this counts as an error. It is wrk's own default. */
export const CALL_TIMEOUT_MS = 2_000

/** How long a generator may take in all: connecting, its last calls and its report come on top. */
export function generatorTimeoutMs(load: Load): number {
  return load.seconds * 1000 + 15_000
}
