import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('every call ends as it may, whatever dies meanwhile, and nothing is left over', async (t) => {
  const args = ['--minutes', '0.25', '--rate', '20', '--chaos-every-ms', '2000']
  const table = await runScenario('soak', ...args)
  t.match(table, /^soak: everything at once: 0.25 minutes/)
  t.match(table, /^\| work +\| \d+ +\| \d+/m)
  t.match(table, /^\| .*killed +\| [1-9]/m)
  t.match(table, /^errors: 0$/m)
  t.match(table, /^\| gateway 1 +\| \d+ +\| \d+ +\| \d+ +\|$/m)
})
