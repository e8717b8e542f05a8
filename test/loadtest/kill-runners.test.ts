import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('calls that may run twice do not notice that runners die; others fail as they should', async (t) => {
  const table = await runScenario('kill-runners', '--rate', '100', '--kills', '2')
  t.match(table, /^kill-runners: runners die under load: 4 runners/)
  t.match(table, /^\| idempotent .*\d+ 200 +\| 2 .*\| 0 +\|$/m)
  t.match(table, /^\| not idempotent .*\d+ 200.*\| 0 +\|$/m)
})
