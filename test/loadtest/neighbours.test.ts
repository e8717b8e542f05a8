import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('small calls are measured without neighbours and with them', async (t) => {
  const args = ['--connections', '4', '--duration', '2', '--stall-seconds', '1', '--rounds', '1']
  const table = await runScenario('neighbours', ...args)
  t.match(
    table,
    /^neighbours: small calls beside slow clients: 4 connections, 2 s a round, 1 round$/m,
  )
  t.match(table, /^\| alone +\| [\d,]+ +\| [\d.]+ +\| [\d.]+ +\| 1\.00 +\| 0 +\| \d+ +\| - +\|$/m)
  t.match(
    table,
    /^\| neighbours +\| [\d,]+ +\| [\d.]+ +\| [\d.]+ +\| [\d.]+ +\| 0 +\| \d+ +\| \d+ +\|$/m,
  )
})
