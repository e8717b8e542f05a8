import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('short calls do not wait behind long ones, and both are answered', async (t) => {
  const table = await runScenario('long-short', '--duration', '3')
  t.match(table, /^long-short: short calls beside long ones: 4 runners of one slot/)
  t.match(table, /^\| callgate .*\| 0 +\|$/m)
  t.match(table, /^\| p99 of the short calls with Callgate \| at most 50 ms +\| [\d.]+ ms/m)
  t.match(table, /^\| queue group .*\| 0 +\|$/m)
})
