import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('what is too much is refused properly, and the rest is answered', async (t) => {
  const table = await runScenario('overload', '--duration', '3', '--factor', '3')
  t.match(table, /^overload: too many calls: 4 runners of 4 slots/)
  t.match(table, /^\| answered ÷ capacity /m)
  t.match(table, /^\| 200 +\| [\d,]+ /m)
  t.match(table, /^errors: 0$/m)
})
