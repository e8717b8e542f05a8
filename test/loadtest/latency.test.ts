import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('single calls are timed alone, at a rate, and beside a bare request', async (t) => {
  const args = ['--only', 'callgate,nc.request()', '--connections', '2']
  const table = await runScenario('latency', '--rounds', '1', '--duration', '0.2', ...args)
  t.match(table, /^\| function, in process +\| closed .*\| 0 +\|$/m)
  t.match(table, /^\| callgate +\| closed .*\| gateway .* \+ runner .*\| 0 +\|$/m)
  t.match(table, /^\| nc\.request\(\) +\| closed .*\| 0 +\|$/m)
  t.match(table, /^\| callgate, 2 connections, \d+ calls\/s +\| open .*\| 0 +\|$/m)
  t.match(table, /one connection: p50 of callgate ÷ p50 of nc\.request\(\)/)
})
