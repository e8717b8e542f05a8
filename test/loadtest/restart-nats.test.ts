import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('a NATS server that comes back costs refusals and nothing else', async (t) => {
  const table = await runScenario(
    'restart-nats',
    '--rate',
    '50',
    '--outages',
    '1',
    '--outage-ms',
    '1000',
  )
  t.match(table, /^restart-nats: nats-server dies under load: 50 calls\/s/)
  t.match(table, /^\| idempotent .*\d+ 200.*\| 0 +\|$/m)
  t.match(table, /^\| not idempotent .*\d+ 200.*\| 0 +\|$/m)
})
