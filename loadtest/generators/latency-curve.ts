// Latencies as a generator tells them: one at each of these percentiles, of which enough calls took longer
// that it is no accident.

import type { RecordableHistogram } from 'node:perf_hooks'

/** Percentile and ms, by rising percentile. */
export type LatencyCurve = readonly (readonly [number, number])[]

export const PERCENTILES = [
  ...[1, 10, 25, 50, 75, 85, 90, 95, 97.5, 99],
  ...[99.5, 99.75, 99.9, 99.95, 99.975, 99.99, 99.999],
]

const FEWEST_BEYOND = 10

export function latencyCurve(us: RecordableHistogram): LatencyCurve {
  return tellable(us.count).map((percentile) => [percentile, us.percentile(percentile) / 1000])
}

/** Those that so many calls can tell. */
export function tellable(count: number): number[] {
  // Of a thousand calls, 9.999999 are beyond the 99th percentile.
  const beyond = (percentile: number) => Math.round((count * (100 - percentile)) / 100)
  return PERCENTILES.filter((percentile) => beyond(percentile) >= FEWEST_BEYOND)
}
