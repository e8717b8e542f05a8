// What a function throws where no call can catch it. It ended the whole process, with everybody's calls; a
// client that left in the right moment was enough.

import t from 'tap'
import { nobodyServes, startBreaker, startStream } from '../support/lone-runner.js'
import { System } from '../support/system.js'

// A process may take its time to start, on a machine that has much else to do.
const system = await System.start(t, { gateway: { queueWaitMs: 80_000 } })

/** The lines of the log, without what else was written. */
function linesOf(output: string): Record<string, unknown>[] {
  const lines = output.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line))
}

t.test('a promise that is left without a handler is logged, and the runner goes on', async (t) => {
  const { pid, ended, output } = await startBreaker(t, system)
  for (let call = 0; call < 3; call++) {
    t.same(await (await system.post('/breaker', { reject: true })).json(), { pid })
  }
  process.kill(pid, 'SIGTERM')
  t.equal(await ended, 0)
  const lines = linesOf(output())
  t.equal(lines.length, 4, 'one of the load, three of the calls')
  t.match(lines[0], { err: { message: 'nobody waits for the load of this' } })
  t.match(lines[1], {
    level: 50,
    function: 'breaker',
    msg: /a promise .* without a handler/,
    err: { message: 'nobody waits for this', stack: /breaker\.[jt]s:\d+/ },
  })
  await nobodyServes(system, 'breaker')
})

t.test(
  'after an exception that nobody catches a runner finishes its calls and is replaced',
  async (t) => {
    const { pid, ended, output } = await startBreaker(t, system)
    const stream = await startStream(system, 60, 60, 'breaker')
    t.same(await (await system.post('/breaker', { throw: true })).json(), { pid }, 'also that call')
    await system.until('breaker', ({ runners }) => runners[0]?.state === 'draining')
    t.match(await stream.rest(), /data: 59\n\n$/)
    t.equal(await ended, 75)
    t.match(linesOf(output()).at(-1), {
      level: 50,
      msg: /outside of any call/,
      err: { message: 'nobody catches this', stack: /breaker\.[jt]s:\d+/ },
    })
    await nobodyServes(system, 'breaker')
  },
)

t.test('an exception while it loads is a load that failed: calls do not wait for it', async (t) => {
  const { ended, output } = await startBreaker(t, system, { TEST_BREAK: 'load' })
  const response = await system.post('/breaker', {})
  t.equal(response.status, 503)
  t.match(await response.json(), { code: 'load_failed' })
  t.equal(await ended, 1)
  t.match(output(), /^the function threw while it was loaded: nobody catches this$/m)
  t.match((await system.state('breaker')).loadFailure, { message: /nobody catches this/ })
})

t.test('an exception while its file is imported ends it', async (t) => {
  const { ended, output } = await startBreaker(t, system, { TEST_BREAK: 'import' })
  t.equal(await ended, 1)
  t.match(output(), /nobody catches this\n +at /)
})
