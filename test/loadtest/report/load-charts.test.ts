import { test } from 'tap'
import { tellable } from '../../../loadtest/generators/latency-curve.js'
import { latencyChart, throughputChart } from '../../../loadtest/report/load-charts.js'
import type { Round } from '../../../loadtest/rounds.js'

function round(load: Partial<Round['load']>, isWarmup = false): Round {
  const nothing = { count: 0, seconds: 1, p50Ms: 0, p99Ms: 0, latency: [], counts: [], errors: {} }
  return { isWarmup, load: { ...nothing, ...load }, processes: [] }
}

test('a percentile is told if ten calls took longer', (t) => {
  t.equal(tellable(1000).at(-1), 99)
  t.equal(tellable(999).at(-1), 99)
  t.equal(tellable(900).at(-1), 97.5)
  t.same(tellable(5), [])
  t.end()
})

test('a latency curve is the median of the rounds, where all have it', (t) => {
  const rounds = [
    round({ latency: [[50, 900]] }, true),
    round({ latency: [[50, 1], [90, 5], [99, 9]] }), // biome-ignore format: pairs
    round({ latency: [[50, 2], [90, 6]] }), // biome-ignore format: pairs
    round({ latency: [[50, 30], [90, 70], [99, 90]] }), // biome-ignore format: pairs
  ]
  const { series } = latencyChart('time', [{ name: 'it', rounds }])
  t.same(series, [{ name: 'it', points: [[50, 2], [90, 6]] }]) // biome-ignore format: pairs
  t.end()
})

test('throughput over time leaves out the warm-up, and what was cut short at the end of a round', (t) => {
  const counts = (each: number) => [...Array(80).fill(each), 1]
  const rounds = [
    round({ counts: counts(9), seconds: 8.1 }, true),
    round({ counts: counts(10), seconds: 8.1 }),
    round({ counts: counts(20), seconds: 8.1 }),
  ]
  const { series } = throughputChart('calls', [{ name: 'it', rounds }])
  const points = series[0]!.points
  t.equal(points.length, 16)
  t.same([points[0], points[7], points[8], points[15]], [[0.5, 100], [7.5, 100], [8.5, 200], [15.5, 200]]) // biome-ignore format: pairs
  t.end()
})
