import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('what is too much is refused properly, and the rest is answered', async (t) => {
  const table = await runScenario('overload', '--duration', '3', '--factor', '3')
  t.match(table, /^overload: 4 runners of 4 slots/)
  t.match(table, /^\| answered ÷ capacity /m)
  t.match(table, /^outcomes: .*\d+ 200/m)
  t.match(table, /^faults: 0$/m)
})
