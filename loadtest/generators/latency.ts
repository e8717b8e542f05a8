// What is asked of the client that measures the time of single calls, and what it answers.

import type { Measurement } from './load.js'

export interface LatencyLoad {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent with POST, and the right answer. */
  readonly body: string
  /** Calls that may be under way at once. */
  readonly connections: number
  /** Calls that are due in a second; without it, each connection makes its next call when it has its answer. */
  readonly perSecond?: number
  readonly seconds: number
}

export interface LatencyResult extends Measurement {
  /** From when a call was due to its last byte. */
  readonly latency: Distribution
  /** How late the client itself was; zero where nothing is due. */
  readonly lateness: Distribution
}

/** In microseconds, by percentile. */
export type Distribution = readonly (readonly [percentile: number, us: number])[]

export const PERCENTILES = [0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100]

export function percentileOf(distribution: Distribution, wanted: number): number {
  return distribution.find(([percentile]) => percentile === wanted)?.[1] ?? Number.NaN
}
