import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('no client notices that every process is restarted', async (t) => {
  const table = await runScenario(
    'rolling-restart',
    '--rate',
    '50',
    '--streams',
    '10',
    '--stream-seconds',
    '2',
  )
  t.match(table, /^rolling-restart: every process restarted: 50 calls\/s/)
  t.match(table, /^\| calls .*\| \d+ 200 +\| 0 +\|$/m)
  t.match(table, /^\| streams .*\| \d+ whole +\| 0 +\|$/m)
  t.match(table, /^\| tokens runner 2 +\| \d+ /m)
})
