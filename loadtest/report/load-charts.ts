// Charts of subjects that were given the same load in rounds: how their latencies are distributed and how
// their throughput went on. The warm-up is left out.

import { COUNTED_EVERY_MS } from '../generators/counter.js'
import { PERCENTILES } from '../generators/latency-curve.js'
import type { LoadResult } from '../generators/load.js'
import type { Round } from '../rounds.js'
import type { Chart } from './result.js'
import { median, sum } from './statistics.js'

interface Loaded {
  readonly name: string
  readonly rounds: readonly Round<LoadResult>[]
}

/** Points a round, so that a short one has a shape and a long one no noise. */
const FEWEST_POINTS = 8
const WIDTHS_MS = [1000, 500, 200, 100]

/** Medians over the rounds, as in the table: of percentiles that every round can tell. */
export function latencyChart(title: string, subjects: readonly Loaded[]): Chart {
  return {
    title,
    kind: 'line',
    x: { label: 'percentile', scale: 'nines' },
    y: { label: 'ms', scale: 'log' },
    series: subjects.map(({ name, rounds }) => {
      const curves = measured(rounds).map(({ latency }) => new Map(latency))
      const told = PERCENTILES.filter((percentile) => curves.every((it) => it.has(percentile)))
      const medianOf = (percentile: number) => median(curves.map((it) => it.get(percentile)!))
      return { name, points: told.map((percentile) => [percentile, medianOf(percentile)] as const) }
    }),
  }
}

/** The rounds of a subject one behind the other. */
export function throughputChart(units: string, subjects: readonly Loaded[]): Chart {
  const shortest = Math.min(
    ...subjects.flatMap(({ rounds }) => measured(rounds).map(({ seconds }) => seconds)),
  )
  const widthMs =
    WIDTHS_MS.find((width) => (shortest * 1000) / width >= FEWEST_POINTS) ?? COUNTED_EVERY_MS
  return {
    title: `${units}/s over time`,
    kind: 'line',
    x: { label: 'seconds under load, one round behind the other' },
    y: { label: `${units}/s` },
    series: subjects.map(({ name, rounds }) => ({
      name,
      points: measured(rounds)
        .flatMap(({ counts, seconds }) => wholePieces(counts, seconds, widthMs / COUNTED_EVERY_MS))
        .map((count, index) => {
          const atSeconds = ((index + 0.5) * widthMs) / 1000
          return [Number(atSeconds.toFixed(2)), (count * 1000) / widthMs] as const
        }),
    })),
  }
}

function measured(rounds: readonly Round<LoadResult>[]): LoadResult[] {
  return rounds.filter(({ isWarmup }) => !isWarmup).map(({ load }) => load)
}

/** Sums of so many counts; the rest at the end is no whole piece, and would look like a slump. */
function wholePieces(counts: readonly number[], seconds: number, length: number): number[] {
  const pieces = Math.floor((seconds * 1000) / COUNTED_EVERY_MS / length)
  return Array.from({ length: pieces }, (_, index) =>
    sum(counts.slice(index * length, (index + 1) * length)),
  )
}
