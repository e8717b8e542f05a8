import { test } from 'tap'
import { lineThrough } from '../../loadtest/least-squares.js'
import { mostSocketsWithin } from '../../loadtest/open-files.js'
import { runScenario } from './run-scenario.js'

test('sockets on which nothing happened still answer, through Callgate and its peer', async (t) => {
  const short = ['--settle-seconds', '0.1', '--quiet-seconds', '0.2']
  const text = await runScenario('idle', '--sockets', '40', ...short)
  t.match(text, /^idle: 40 WebSockets, nothing said for 0.2 s$/m)
  for (const name of ['gateway', 'nats-server', 'runners', 'uws-echo']) {
    t.match(text, new RegExp(`^\\| ${name} `, 'm'))
  }
  t.match(text, /^\| memory of the gateway per connection +\| at most 8 KiB /m)
  t.match(text, /^errors: 0$/m)
  t.match(text, /^Afterwards 40 sockets answered through Callgate and 40 of the peer\./m)
})

test('a line goes through points that lie on it, and between those that do not', (t) => {
  const points = [0, 1, 2].map((x) => [x, 5 + 3 * x] as const)
  t.same(lineThrough(points), { start: 5, slope: 3 })
  const around = [
    [0, 1],
    [0, -1],
    [2, 5],
    [2, 3],
  ] as const
  t.same(lineThrough(around), { start: 0, slope: 2 })
  t.throws(() => lineThrough([[1, 1]]))
  t.end()
})

test('sockets are bounded by the hard limit of open files, less those that are open already', (t) => {
  const limits = 'Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  20000  files\n'
  t.equal(mostSocketsWithin(limits), 19_800)
  t.equal(mostSocketsWithin(limits.replace('20000', 'unlimited')), Number.POSITIVE_INFINITY)
  t.end()
})
