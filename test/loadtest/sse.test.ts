import { test } from 'tap'
import { hasNginx } from '../support/nginx.js'
import { runScenario } from './run-scenario.js'

test('every token of every stream arrives in order, through Callgate and its peer', async (t) => {
  const small = ['--rounds', '1', '--streams', '5', '--tokens', '20', '--duration', '0.2']
  const table = await runScenario('sse', ...small, '--only', 'callgate,node-sse')
  t.match(table, /^sse: event streams: 5 streams of 20 tokens/)
  t.match(table, /^\| callgate .*\| 0 +\| gateway/m)
  t.match(table, /^\| node-sse .*\| 0 +\| \d/m)
  t.match(table, /^\| callgate tokens\/s ÷ node-sse tokens\/s +\| \d/m)
})

const skip = hasNginx() ? false : 'no nginx here'

test('a proxy and what is behind it are one subject', { skip }, async (t) => {
  const small = ['--rounds', '1', '--streams', '5', '--tokens', '20', '--duration', '0.2']
  const table = await runScenario('sse', ...small, '--only', 'nginx')
  t.match(table, /^\| nginx .*\| 0 +\| nginx \d.* \+ node-sse \d/m)
})
