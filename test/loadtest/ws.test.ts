import { test } from 'tap'
import { runScenario } from './run-scenario.js'

test('every message of every socket comes back, through Callgate and its peer', async (t) => {
  const table = await runScenario('ws', '--rounds', '1', '--sockets', '5', '--messages', '20')
  t.match(table, /^ws: WebSockets: 5 sockets, 20 messages each/)
  t.match(table, /^\| callgate .*\| 0 +\| gateway/m)
  t.match(table, /^\| uws-echo .*\| 0 +\| \d/m)
  t.match(table, /^\| callgate messages\/s ÷ uws-echo messages\/s +\| \d/m)
})
