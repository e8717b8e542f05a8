import { test } from 'tap'
import { chartsOf, tableOf } from '../../loadtest/curves/curve.js'
import type { Point } from '../../loadtest/curves/point.js'
import { runScenario } from './run-scenario.js'

test('a point is measured', async (t) => {
  const table = await runScenario('curves', '--of', 'payload', '--seconds', '1', '--up-to', '1')
  t.match(table, /^payload$/m)
  t.match(table, /^\| 0 +\| [\d,]+ +\| .*gateway \d.* \+ runner .*\| 0 +\|$/m)
  t.match(table, /^errors: 0$/m)
})

test('a table has a line for each point, and a chart a line for each process', (t) => {
  const point = (x: number, usPerUnit: number): Point => ({
    ...{
      x,
      load: { count: 100, seconds: 2, p50Ms: 1, p99Ms: 5, latency: [], counts: [], errors: {} },
    },
    cpu: ['gateway', 'runner'].map((name) => ({ name, usPerUnit, share: 0.5, peakRssBytes: 0 })),
  })
  const curve = {
    ...{ name: 'payload', xLabel: 'bytes', unit: 'call', units: 'calls', latency: 'call' },
    subjects: [{ name: 'callgate', points: [point(0, 10), point(100, 20)] }],
  }
  t.same(
    tableOf(curve).rows.map((row) => row.slice(0, 2)),
    [
      ['0', '50'],
      ['100', '50'],
    ],
  )
  const [cost] = chartsOf(curve)
  const points = [
    [1, 10],
    [100, 20],
  ]
  t.same(cost!.series, [
    { name: 'gateway', points },
    { name: 'runner', points },
  ])
  t.end()
})
