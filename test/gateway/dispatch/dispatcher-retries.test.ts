// A call whose runner is lost before it has answered runs again on another one, when it may.

import t, { type Test } from 'tap'
import { FRAME, type Frame } from '../../../shared/frame.js'
import { until } from '../../shared/test-bus.js'
import { startCuttableProxy } from '../../support/cuttable-proxy.js'
import { startTestNats } from '../../support/nats.js'
import type { ScriptedRunner } from '../../support/scripted-runner.js'
import { CREDIT_BYTES, startDispatcher } from './test-dispatcher.js'

const EMPTY = new Uint8Array(0)
const KIB = 1024

async function answer(runner: ScriptedRunner, text = ''): Promise<Frame> {
  const { frame, caller } = await runner.next(FRAME.call)
  await runner.send(caller, [FRAME.reply, frame[1], 200, [], Buffer.from(text)])
  return frame
}

t.test('a call that may run again does, with its body, on another runner', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const first = await runner()
  const { answer: heard } = call({ isIdempotent: true }, Buffer.from('body'))
  await first.next(FRAME.call)
  await first.goDeaf()
  const second = await runner()
  const frame = await answer(second)
  t.equal(Buffer.from(frame[10] as Uint8Array).toString(), 'body')
  t.equal(await heard.over, 'reply')
  t.match(dispatcher.status('echo').counters, {
    started: 1,
    succeeded: 1,
    failed: 0,
    retried: 1,
    inFlight: 0,
  })
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
})

t.test('what it had sent of a longer body is sent again, then the rest', async (t) => {
  const { call, runner } = await startDispatcher(t, { retryBodyBytes: 200 * KIB })
  const body = Buffer.alloc(150 * KIB, 'abc')
  const first = await runner()
  const { answer: heard, invocation } = call({ isIdempotent: true }, body.subarray(0, 10), true)
  invocation.write(body.subarray(10, 100 * KIB))
  const { frame, caller } = await first.next(FRAME.call)
  await first.send(caller, [FRAME.credit, frame[1], 80 * KIB])
  await heard.when(() => heard.drains > 0)
  await first.goDeaf()
  const second = await runner()
  const again = await second.next(FRAME.call)
  await second.send(again.caller, [FRAME.credit, again.frame[1], 200 * KIB])
  invocation.write(body.subarray(100 * KIB))
  invocation.end()
  await second.next(FRAME.end)
  const pieces = second.received.flatMap(({ frame }) =>
    frame[0] === FRAME.body ? [frame[2]] : frame[0] === FRAME.call ? [frame[10] ?? EMPTY] : [],
  )
  t.ok(Buffer.concat(pieces).equals(body))
  await second.send(again.caller, [FRAME.reply, again.frame[1], 200, [], EMPTY])
  t.equal(await heard.over, 'reply')
})

const NOT_AGAIN: Record<string, (t: Test) => Promise<string | undefined>> = {
  'one that may not': async (t) => lostAfter(t, { isIdempotent: false }),
  'one whose body is too long to be kept': async (t) =>
    lostAfter(t, { isIdempotent: true }, async (first, caller, id, write) => {
      await first.send(caller, [FRAME.credit, id, 100 * KIB])
      write(Buffer.alloc(90 * KIB))
      await first.next(FRAME.body)
    }),
  'one whose answer has begun': async (t) =>
    lostAfter(t, { isIdempotent: true }, (first, caller, id) =>
      first.send(caller, [FRAME.head, id, 200, []], [FRAME.body, id, Buffer.from('x')]),
    ),
  'one that has had all of its attempts': async (t) =>
    lostAfter(t, { isIdempotent: true, maxAttempts: 1 }),
}

for (const [which, lose] of Object.entries(NOT_AGAIN)) {
  t.test(`not run again: ${which}`, async (t) => {
    t.equal(await lose(t), 'runner_lost')
  })
}

async function lostAfter(
  t: Test,
  head: { isIdempotent: boolean; maxAttempts?: number },
  meanwhile: (
    first: ScriptedRunner,
    caller: string,
    id: number,
    write: (bytes: Uint8Array) => void,
  ) => Promise<void> = async () => {},
): Promise<string | undefined> {
  const { call, runner, settled } = await startDispatcher(t)
  const first = await runner()
  const { answer: heard, invocation } = call(head, Buffer.from('x'), true)
  const { frame, caller } = await first.next(FRAME.call)
  await meanwhile(first, caller, frame[1], (bytes) => invocation.write(bytes))
  await settled(first)
  await first.goDeaf()
  const second = await runner()
  t.equal(await heard.over, 'error')
  await settled(second)
  t.equal(second.received.length, 0)
  return heard.error?.code
}

t.test('a call that loses runner after runner ends with what happened', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const { answer: heard } = call({ isIdempotent: true, maxAttempts: 2 })
  for (let attempt = 0; attempt < 2; attempt++) {
    const lost = await runner()
    await lost.next(FRAME.call)
    await lost.goDeaf()
  }
  t.equal(await heard.over, 'error')
  t.equal(heard.error?.code, 'runner_lost')
})

t.test('one that finds no other runner in time ends with what happened', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t, { queueWaitMs: 100 })
  const only = await runner()
  const { answer: heard } = call({ isIdempotent: true })
  await only.next(FRAME.call)
  await only.goDeaf()
  t.equal(await heard.over, 'error')
  t.equal(heard.error?.code, 'runner_lost')
  t.match(dispatcher.status('echo').counters, { started: 1, failed: 1, rejected: 0, inFlight: 0 })
})

t.test('the total time goes on through all attempts', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const first = await runner()
  call({ isIdempotent: true, timeoutMs: 60_000 })
  t.equal((await first.next(FRAME.call)).frame[3], 60_000)
  await first.goDeaf()
  const second = await runner()
  const leftMs = (await second.next(FRAME.call)).frame[3]!
  t.ok(leftMs < 60_000 && leftMs > 0, String(leftMs))
})

t.test('what a draining runner gave up runs again; what a function threw does not', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const first = await runner({ slots: 2 })
  const drained = call({ isIdempotent: true, url: '/drained' })
  const failed = call({ isIdempotent: true, url: '/failed' })
  for (let count = 0; count < 2; count++) {
    const { frame, caller } = await first.next(FRAME.call)
    const code = frame[6] === '/drained' ? 'draining' : 'function_failed'
    if (count === 0) await first.announce({ state: 'draining' })
    await first.send(caller, [FRAME.error, frame[1], code, 'no', null, null])
  }
  t.equal(await failed.answer.over, 'error')
  t.equal(failed.answer.error?.code, 'function_failed')
  const second = await runner()
  t.equal((await answer(second))[6], '/drained')
  t.equal(await drained.answer.over, 'reply')
})

t.test('one that leaves and hears no more may still say what became of its calls', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const leaving = await runner({ slots: 3 })
  const notTaken = call()
  const cancelled = call()
  const unsaid = call()
  const { frame, caller } = await leaving.next(FRAME.call)
  await leaving.announce({ state: 'draining', slots: 0 })
  await leaving.goDeaf()
  await settled(leaving)
  cancelled.invocation.cancel()
  // The server has said that nobody has heard that.
  await settled(leaving)
  t.equal(unsaid.answer.error, null)
  await leaving.send(caller, [FRAME.busy, frame[1]])
  await answer(await runner(), 'the next')
  t.equal(await notTaken.answer.over, 'reply')
  t.equal(await unsaid.answer.over, 'error')
  t.equal(unsaid.answer.error?.code, 'runner_lost')
})

t.test('a fleet that is sick is not hit harder: a tenth of the calls may run again', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const first = await runner({ slots: 30 })
  const calls = Array.from({ length: 30 }, () => call({ isIdempotent: true }))
  for (const _ of calls) await first.next(FRAME.call)
  await first.goDeaf()
  const second = await runner({ slots: 30 })
  await until(() => calls.filter(({ answer }) => answer.error !== null).length === 20)
  for (let count = 0; count < 10; count++) await answer(second)
  for (const { answer } of calls.filter(({ answer }) => answer.error === null)) await answer.over
  t.equal(second.received.length, 10)
})

t.test('when the connection is lost, such calls wait for its return', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const { call, runner, bus, settled } = await startDispatcher(t, { url, dispatcherUrl: proxy.url })
  const first = await runner({ slots: 2 })
  const again = call({ isIdempotent: true, url: '/again' })
  const once = call({ url: '/once' })
  await first.next(FRAME.call)
  await first.next(FRAME.call)
  proxy.cut()
  t.equal(await once.answer.over, 'error')
  t.equal(once.answer.error?.code, 'transport_unavailable')
  t.equal(once.answer.error?.retryAfterSeconds, 1)
  t.equal(again.invocation.state, 'queued')
  proxy.mend()
  await until(() => bus.isConnected)
  await first.announce()
  await settled(first)
  t.equal(again.invocation.state, 'queued', 'never twice to one runner: it may still be at it')
  const second = await runner()
  t.equal((await answer(second))[6], '/again')
  t.equal(await again.answer.over, 'reply')
})

t.test('one that waits for another runner does not keep the others waiting', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const { call, runner, bus } = await startDispatcher(t, { url, dispatcherUrl: proxy.url })
  const only = await runner()
  const again = call({ isIdempotent: true })
  await only.next(FRAME.call)
  proxy.cut()
  await until(() => !bus.isConnected)
  proxy.mend()
  await until(() => bus.isConnected)
  await only.announce()
  await only.next(FRAME.cancel)
  const other = call({ url: '/other' })
  t.equal((await answer(only))[6], '/other')
  t.equal(await other.answer.over, 'reply')
  t.equal(again.invocation.state, 'queued')
})
