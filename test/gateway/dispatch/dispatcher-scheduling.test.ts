// Who gets which runner, and who is turned away.

import t from 'tap'
import { hashOf } from '../../../gateway/dispatch/pick-runner.js'
import { CallError } from '../../../shared/errors.js'
import { FRAME, type Frame } from '../../../shared/frame.js'
import { until } from '../../shared/test-bus.js'
import type { ScriptedRunner } from '../../support/scripted-runner.js'
import { startDispatcher } from './test-dispatcher.js'

const EMPTY = new Uint8Array(0)

async function answerOne(runner: ScriptedRunner): Promise<Frame> {
  const { frame, caller } = await runner.next(FRAME.call)
  await runner.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  return frame
}

/** Answers every call from now on; returns the list of their urls. */
function answering(runner: ScriptedRunner): string[] {
  const urls: string[] = []
  runner.onFrame = ({ frame, caller }) => {
    if (frame[0] !== FRAME.call) return
    urls.push(frame[6])
    void runner.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  }
  return urls
}

t.test('a principal with one call waits for one turn of another with a thousand', async (t) => {
  const { call, runner } = await startDispatcher(t, { maxQueued: 2_000 })
  for (let count = 0; count < 1_000; count++) call({ fairnessKey: 'greedy', url: '/greedy' })
  const modest = call({ fairnessKey: 'modest', url: '/modest' })
  const echo = await runner()
  const urls = [await answerOne(echo), await answerOne(echo)].map((frame) => frame[6])
  t.ok(urls.includes('/modest'), urls.join())
  t.equal(await modest.answer.over, 'reply')
})

t.test('weights and priorities are kept', async (t) => {
  const { call, runner } = await startDispatcher(t)
  for (let count = 0; count < 4; count++) {
    call({ fairnessKey: 'a', weight: 2, url: '/a' })
    call({ fairnessKey: 'b', url: '/b' })
  }
  call({ fairnessKey: 'c', priority: 1, url: '/first' })
  const echo = await runner()
  const urls: unknown[] = []
  for (let count = 0; count < 7; count++) urls.push((await answerOne(echo))[6])
  t.same(urls, ['/first', '/a', '/a', '/b', '/a', '/a', '/b'])
})

t.test('calls of one key go to one runner while it has room, else to the next', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const runners = [await runner(), await runner(), await runner()]
  const key = { affinityHash: hashOf('session 7') }
  const seen = runners.map(answering)
  for (let count = 0; count < 12; count++) await call(key).answer.over
  t.same(seen.map(({ length }) => length).sort(), [0, 0, 12])
  const home = runners[seen.findIndex(({ length }) => length === 12)]!
  home.onFrame = null
  const busy = call(key)
  await until(() => busy.invocation.state === 'sent')
  const next = call(key)
  t.equal(await next.answer.over, 'reply', 'elsewhere')
})

t.test('versions share the calls by their weights', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const main = await runner({ slots: 2 })
  const canary = await runner({ slots: 20, version: 'v2' })
  const seen = [answering(main), answering(canary)]
  dispatcher.setTraffic('echo', { main: 80, v2: 20 })
  for (let count = 0; count < 20; count++) await call().answer.over
  t.same(
    seen.map(({ length }) => length),
    [16, 4],
  )
  dispatcher.setTraffic('echo', { v2: 100 })
  for (let count = 0; count < 5; count++) await call().answer.over
  t.same(
    seen.map(({ length }) => length),
    [16, 9],
  )
})

t.test('calls wait for a version that has a weight, and are served when one gets it', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  answering(await runner({ version: 'v2', slots: 5 }))
  dispatcher.setTraffic('echo', { main: 100 })
  const calls = [call(), call(), call()]
  t.same(
    calls.map(({ invocation }) => invocation.state),
    ['queued', 'queued', 'queued'],
  )
  dispatcher.setTraffic('echo', { main: 50, v2: 50 })
  for (const { answer } of calls) t.equal(await answer.over, 'reply')
})

t.test('a call that is over the limits never takes a slot', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t, {
    maxCalls: 3,
    maxCallsPerPrincipal: 2,
  })
  const echo = await runner({ slots: 10 })
  const own = [call({ fairnessKey: 'a' }), call({ fairnessKey: 'a' })]
  const third = call({ fairnessKey: 'a' })
  t.equal(third.answer.error?.code, 'rate_limited')
  own.push(call({ fairnessKey: 'b' }))
  t.equal(call({ fairnessKey: 'c' }).answer.error?.code, 'no_capacity')
  t.match(dispatcher.status('echo').counters, { rejected: 2, inFlight: 3 })
  for (let count = 0; count < 3; count++) await answerOne(echo)
  for (const { answer } of own) await answer.over
  call({ fairnessKey: 'a' })
  await answerOne(echo)
})

t.test('a call that cannot start in time is refused at once, with when to come back', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t, { queueWaitMs: 5_000 })
  const echo = await runner()
  // A slot every 50 ms: a hundred in the time that a call may wait. Three calls come meanwhile.
  const calls = Array.from({ length: 60 }, () => call())
  const pace = setInterval(() => {
    void answerOne(echo)
    for (let count = 0; count < 3; count++) calls.push(call())
  }, 50)
  t.teardown(() => clearInterval(pace))
  await until(() => calls.some(({ answer }) => answer.error !== null))
  clearInterval(pace)
  const { error } = calls.find(({ answer }) => answer.error !== null)!.answer
  t.equal(error?.code, 'no_capacity')
  const { queued } = dispatcher.status('echo')
  t.ok(queued > 30 && queued < 900, `${queued} wait`)
  const seconds = error!.retryAfterSeconds!
  t.ok(seconds >= 2 && seconds <= 60, `${seconds} s`)
})

t.test('whoever waits for a function that is taken away hears so', async (t) => {
  const { call, dispatcher } = await startDispatcher(t)
  const calls = [call(), call()]
  dispatcher.refuseWaiting('echo', new CallError('not_found', 'gone'))
  for (const { answer } of calls) t.equal(answer.error?.code, 'not_found')
  t.match(dispatcher.status('echo'), { queued: 0, counters: { rejected: 2 } })
})

// ---- how long a call waits -----------------------------------------------------------------------------

const WAITED = /^No slot became free within (\d+) ms\.$/

/** What the message of a refusal says of the wait. */
function waitedMs(error: CallError | null): number {
  return Number(WAITED.exec(error?.message ?? '')?.[1])
}

t.test('a call that a runner was too full for waits as long as any other', async (t) => {
  // Its total time had begun with the CALL that was answered with BUSY: after a second it was refused with
  // "within 30000 ms", and counted as one that had run and failed.
  const { call, runner, dispatcher } = await startDispatcher(t, { queueWaitMs: 500 })
  const echo = await runner()
  const { answer } = call({ timeoutMs: 50 })
  const { frame, caller } = await echo.next(FRAME.call)
  await echo.send(caller, [FRAME.busy, frame[1]])
  t.equal(await answer.over, 'error')
  t.equal(answer.error?.code, 'no_capacity')
  t.ok(waitedMs(answer.error) > 400, String(answer.error))
  t.match(dispatcher.status('echo').counters, { started: 0, rejected: 1, failed: 0, inFlight: 0 })
})

t.test('and has all of its time when a runner takes it', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  const { invocation, answer } = call({ timeoutMs: 200 })
  const first = await echo.next(FRAME.call)
  await echo.send(first.caller, [FRAME.busy, first.frame[1]])
  await runner({ functionName: 'silent' })
  const other = call({ functionName: 'silent', timeoutMs: 200 })
  t.equal(await other.answer.over, 'error', 'so much time has passed')
  if (!t.equal(invocation.state, 'queued')) return
  await echo.announce()
  t.equal((await answerOne(echo))[3], 200)
  t.equal(await answer.over, 'reply')
})

t.test('runners that are full one after the other do not make the wait longer', async (t) => {
  // Each BUSY began it anew: without a total time the call waited for ever.
  const { call, runner } = await startDispatcher(t, { queueWaitMs: 500 })
  const echo = await runner()
  echo.onFrame = ({ frame, caller }) => {
    if (frame[0] === FRAME.call) void echo.send(caller, [FRAME.busy, frame[1]])
  }
  const announcing = setInterval(() => void echo.announce(), 50)
  t.teardown(() => clearInterval(announcing))
  const { answer } = call()
  // As long as two calls may wait one after the other.
  for (let count = 0; count < 2; count++) await call({ functionName: 'nobody' }).answer.over
  t.equal(answer.error?.code, 'no_capacity')
  t.ok(waitedMs(answer.error) > 400, String(answer.error))
  t.ok(echo.received.length > 2, `${echo.received.length} CALLs`)
})

t.test('a call that was lost may wait again', async (t) => {
  const { call, runner } = await startDispatcher(t, { queueWaitMs: 500 })
  const echo = await runner()
  const { invocation, answer } = call({ isIdempotent: true })
  await echo.next(FRAME.call)
  // It has run for longer than a call may wait.
  await call().answer.over
  await echo.goDeaf()
  await until(() => invocation.state === 'queued')
  await answerOne(await runner())
  t.equal(await answer.over, 'reply')
})
