import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('bodies pass through Callgate as they are, and the transport beside it', async (t) => {
  const args = ['--gib', '0.01', '--streams', '2', '--only', 'callgate,nats-pipe']
  const table = await runScenario('bodies', '--rounds', '1', ...args)
  t.match(table, /^bodies: large bodies: 0\.01 GiB/)
  t.match(table, /^\| callgate upload .*\| 0 +\| \d+ +\| \d+ +\| client .* \+ runner \d/m)
  t.match(table, /^\| callgate download .*\| 0 +\| \d+ +\| \d+ +\| client .* \+ runner \d/m)
  t.match(table, /^\| callgate upload × 2 .*\| 0 +\| \d+ +\| \d+ +\| client .* \+ runner \d/m)
  t.match(table, /^\| callgate download × 2 .*\| 0 +\| \d+ +\| \d+ +\| client .* \+ runner \d/m)
  t.equal(table.match(/^\| nats-pipe .*\| 1\.00 /gm)?.length, 2, 'the transport beside each')
  t.match(table, /^\| nats-pipe .*\| 1\.00 .*\| - +\| - +\| sender .* \+ subscriber \d/m)
})
