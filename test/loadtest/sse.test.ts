import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('every token of every stream arrives in order, through Callgate and its peer', async (t) => {
  const table = await runScenario('sse', '--rounds', '1', '--streams', '5', '--tokens', '20')
  t.match(table, /^sse: event streams: 5 streams of 20 tokens/)
  t.match(table, /^\| callgate .*\| 0 +\| gateway/m)
  t.match(table, /^\| node-sse .*\| 0 +\| \d/m)
  t.match(table, /^\| callgate tokens\/s ÷ node-sse tokens\/s +\| \d/m)
})
