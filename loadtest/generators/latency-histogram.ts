// Times of calls, counted in steps of 10 ns or a thousandth of themselves.

import { createHistogram } from 'node:perf_hooks'
import { type Distribution, PERCENTILES } from './latency.js'

const UNITS_PER_MS = 100_000
const UNITS_PER_US = 100

export class LatencyHistogram {
  readonly #histogram = createHistogram()

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * UNITS_PER_MS)))
  }

  get distribution(): Distribution {
    if (this.#histogram.count === 0) return PERCENTILES.map((percentile) => [percentile, 0])
    return PERCENTILES.map((percentile) => [percentile, this.#at(percentile) / UNITS_PER_US])
  }

  #at(percentile: number): number {
    return percentile === 0 ? this.#histogram.min : this.#histogram.percentile(percentile)
  }
}
