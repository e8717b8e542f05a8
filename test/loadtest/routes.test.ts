import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('calls to few and to many routes are compared, and all are answered as they must be', async (t) => {
  const short = ['--rounds', '1', '--seconds', '0.1', '--starts', '1', '--settle-seconds', '0.1']
  // A busy machine may give a gateway less CPU time in so short a round than the clock shows.
  const figure = '([\\d.]+|nothing)'
  const text = await runScenario('routes', '--functions', '4', ...short)
  t.match(text, /^routes: 20 routes of 2 functions, and 40 of 4$/m)
  for (const kind of ['one route', 'routes of all patterns', 'routes of all functions, 403']) {
    t.match(text, new RegExp(`^\\| ${kind} +(\\| ${figure} +){3}\\|$`, 'm'))
  }
  t.match(text, /^\| unknown paths, 404 /m)
  t.match(text, /^errors: 0$/m)
})
