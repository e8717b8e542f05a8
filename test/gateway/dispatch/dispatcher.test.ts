// Which runner gets which call, and when: slots, the queue, cancels and clocks. Bodies are in
// dispatcher-bodies.test.ts, what goes wrong between the peers in dispatcher-faults.test.ts.

import t from 'tap'
import { FRAME, type Frame } from '../../../shared/frame.js'
import { until } from '../../shared/test-bus.js'
import { CREDIT_BYTES, startDispatcher, statusOf } from './test-dispatcher.js'

const EMPTY = new Uint8Array(0)

t.test('a CALL arrives with everything that is known of it', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner()
  const body = Buffer.from('{"a":1}')
  call(
    {
      callId: 'call-x',
      timeoutMs: 60_000,
      method: 'PUT',
      url: '/echo/3?x=%20y',
      params: { id: '3' },
      headers: ['content-type', 'application/json', 'x-a', '1', 'x-a', '2'],
      principal: { subject: 'ann', scopes: ['a', 'b'], claims: { sub: 'ann', exp: 1_700_000_000 } },
    },
    body,
  )
  const { frame, caller, replyTo } = await echo.next(FRAME.call)
  const [, id, callId, timeoutMs, replyCreditBytes, ...rest] = frame
  t.ok(Number.isSafeInteger(id) && id >= 0)
  t.equal(callId, 'call-x')
  t.ok(timeoutMs !== null && timeoutMs > 59_000 && timeoutMs <= 60_000)
  t.ok(replyCreditBytes >= 4096)
  t.same(rest, [
    'PUT',
    '/echo/3?x=%20y',
    { id: '3' },
    ['content-type', 'application/json', 'x-a', '1', 'x-a', '2'],
    { subject: 'ann', scopes: ['a', 'b'], claims: { sub: 'ann', exp: 1_700_000_000 } },
    body,
    false,
  ])
  t.equal(caller, dispatcher.callerId)
  t.equal(replyTo, `callgate.caller.${dispatcher.callerId}.${echo.id}.0`)
})

t.test('a CALL says of what is not there that it is not there', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  call()
  const { frame } = await echo.next(FRAME.call)
  t.same([frame[3], frame[7], frame[8], frame[9], frame[11]], [null, null, [], null, false])
  t.ok(frame[10] === null || frame[10].length === 0)
})

t.test('a REPLY reaches the one who asked, and frees the slot and the credit', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner()
  const { answer, invocation } = call()
  const { frame, caller } = await echo.next(FRAME.call)
  t.equal(invocation.state, 'sent')
  t.equal(statusOf(dispatcher, echo)?.inFlight, 1)
  t.ok(dispatcher.budget.freeBytes < CREDIT_BYTES)
  await echo.send(caller, [FRAME.reply, frame[1], 201, ['x-a', '1'], Buffer.from('hello')])
  t.equal(await answer.over, 'reply')
  t.equal(answer.status, 201)
  t.same(answer.headers, ['x-a', '1'])
  t.equal(answer.body.toString(), 'hello')
  t.equal(invocation.state, 'ended')
  t.equal(statusOf(dispatcher, echo)?.inFlight, 0)
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
  t.match(dispatcher.status('echo').counters, { started: 1, succeeded: 1, inFlight: 0 })
})

t.test('a stream reaches the one who asked, piece by piece, in order', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner()
  const { answer, invocation } = call()
  const { frame, caller } = await echo.next(FRAME.call)
  const id = frame[1]
  await echo.send(caller, [FRAME.head, id, 200, ['content-type', 'text/event-stream']])
  await answer.when(() => answer.events.length === 1)
  t.equal(invocation.state, 'answering')
  await echo.send(caller, [FRAME.body, id, Buffer.from('a')], [FRAME.body, id, Buffer.from('b')])
  await answer.when(() => answer.chunks.length === 2)
  await echo.send(caller, [FRAME.body, id, Buffer.from('c')], [FRAME.end, id])
  t.equal(await answer.over, 'end')
  t.same(answer.events, ['head', 'end'])
  t.same(answer.chunks.map(String), ['a', 'b', 'c'])
  t.match(dispatcher.status('echo').counters, { started: 1, succeeded: 1, inFlight: 0 })
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
})

t.test('an ERROR reaches the one who asked with its facts, before and after HEAD', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner()
  const issues = [{ path: ['items', 3], message: 'too small' }]
  for (const head of [false, true]) {
    const { answer } = call()
    const { frame, caller } = await echo.next(FRAME.call)
    if (head) await echo.send(caller, [FRAME.head, frame[1], 200, []])
    await echo.send(caller, [FRAME.error, frame[1], 'invalid_input', 'Bad.', issues, 7])
    t.equal(await answer.over, 'error')
    t.match(answer.error, { code: 'invalid_input', message: 'Bad.', issues, retryAfterSeconds: 7 })
  }
  t.match(dispatcher.status('echo').counters, { started: 2, failed: 2, inFlight: 0 })
})

t.test('calls that are answered out of order each get their own answer', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner({ slots: 10 })
  const calls = Array.from({ length: 10 }, () => call())
  const frames = await Promise.all(calls.map(() => echo.next(FRAME.call)))
  t.equal(new Set(frames.map(({ message }) => message)).size, 1, 'they came in one message')
  await echo.send(
    frames[0]!.caller,
    ...frames
      .toReversed()
      .map(({ frame }): Frame => [FRAME.reply, frame[1], 200, [], Buffer.from(frame[2])]),
  )
  for (const [index, { answer }] of calls.entries()) {
    await answer.over
    t.equal(answer.body.toString(), `call-${index + 1}`)
  }
})

t.test('the least loaded runner gets the call', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const [small, large] = [await runner({ slots: 2 }), await runner({ slots: 8 })]
  for (let count = 0; count < 5; count++) call()
  await settled(small, large)
  t.equal(small.unread(FRAME.call).length, 1)
  t.equal(large.unread(FRAME.call).length, 4)
})

t.test('what other callers keep busy counts', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const [shared, idle] = [await runner({ slots: 4 }), await runner({ slots: 4 })]
  await shared.announce({ busyBy: { somebodyElse: 3, [dispatcher.callerId]: 1 } })
  await until(() => statusOf(dispatcher, shared)?.othersBusy === 3)
  for (let count = 0; count < 3; count++) call()
  await settled(shared, idle)
  t.equal(shared.unread(FRAME.call).length, 0)
  t.equal(idle.unread(FRAME.call).length, 3)
})

t.test('functions do not see each other', async (t) => {
  const { call, runner, settled, dispatcher } = await startDispatcher(t)
  const [one, two] = [await runner({ functionName: 'one' }), await runner({ functionName: 'two' })]
  call({ functionName: 'one' })
  call({ functionName: 'one' })
  await settled(one, two)
  t.equal(one.unread(FRAME.call).length, 1)
  t.equal(two.unread(FRAME.call).length, 0)
  t.equal(dispatcher.status('one').queued, 1)
  t.same([...dispatcher.functionNames].sort(), ['one', 'two'])
})

t.test('a call waits for its first runner', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const { invocation } = call()
  t.equal(invocation.state, 'queued')
  t.equal(dispatcher.status('echo').queued, 1)
  const echo = await runner()
  await echo.next(FRAME.call)
  t.equal(dispatcher.status('echo').queued, 0)
})

t.test('no runner gets more calls than it has slots', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const echo = await runner({ slots: 3 })
  for (let count = 0; count < 10; count++) call()
  await settled(echo)
  t.equal(echo.unread(FRAME.call).length, 3)
  t.equal(dispatcher.status('echo').queued, 7)
  t.equal(dispatcher.inFlight, 10)
  const { frame, caller } = await echo.next(FRAME.call)
  await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  for (let count = 0; count < 3; count++) await echo.next(FRAME.call)
  t.equal(dispatcher.status('echo').queued, 6)
})

t.test('principals take turns in the queue', async (t) => {
  const { call, runner } = await startDispatcher(t)
  for (const key of ['a', 'a', 'a', 'b', 'c']) call({ fairnessKey: key, url: `/${key}` })
  const echo = await runner({ slots: 1 })
  const order: string[] = []
  for (let count = 0; count < 5; count++) {
    const { frame, caller } = await echo.next(FRAME.call)
    order.push(frame[6])
    await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  }
  t.same(order, ['/a', '/b', '/c', '/a', '/a'])
})

t.test('nobody overtakes the ones that wait', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  call({ url: '/1' })
  call({ url: '/2' }).answer.onEvent = () => {}
  const first = await echo.next(FRAME.call)
  const { answer } = call({ url: '/3' })
  answer.onEvent = () => call({ url: '/4' })
  await echo.send(first.caller, [FRAME.reply, first.frame[1], 200, [], EMPTY])
  const order: string[] = []
  for (let count = 0; count < 3; count++) {
    const { frame, caller } = await echo.next(FRAME.call)
    order.push(frame[6])
    await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  }
  t.same(order, ['/2', '/3', '/4'])
})

t.test('BUSY moves the call to another runner, which gets the same call', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const full = await runner({ slots: 2 })
  const { answer } = call({ url: '/x' }, Buffer.from('body'))
  const first = await full.next(FRAME.call)
  const other = await runner({ slots: 2 })
  await full.send(first.caller, [FRAME.busy, first.frame[1]])
  const second = await other.next(FRAME.call)
  t.same(second.frame.slice(2, 4), first.frame.slice(2, 4))
  t.same(second.frame.slice(5), first.frame.slice(5))
  await other.send(second.caller, [FRAME.reply, second.frame[1], 200, [], EMPTY])
  t.equal(await answer.over, 'reply')
  t.match(dispatcher.status('echo').counters, { started: 1, succeeded: 1, inFlight: 0 })
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
})

t.test(
  'a runner that was BUSY gets no more calls before its FREE, which wakes the queue',
  async (t) => {
    const { call, runner, dispatcher, settled } = await startDispatcher(t)
    const echo = await runner({ slots: 4 })
    const returned = call({ url: '/returned' })
    const { frame, caller } = await echo.next(FRAME.call)
    await echo.send(caller, [FRAME.busy, frame[1]])
    await until(() => returned.invocation.state === 'queued')
    call({ url: '/next' })
    await settled(echo)
    t.equal(echo.unread(FRAME.call).length, 0)
    t.equal(dispatcher.status('echo').queued, 2)
    await echo.send(caller, [FRAME.free, 2])
    const urls = [(await echo.next(FRAME.call)).frame[6], (await echo.next(FRAME.call)).frame[6]]
    t.same(urls, ['/returned', '/next'], 'and the one that came back goes first')
  },
)

t.test('after FREE come as many calls as there are slots, and one to wait by', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const echo = await runner({ slots: 10 })
  for (let count = 0; count < 9; count++) call()
  let caller = ''
  for (let count = 0; count < 9; count++) {
    const next = await echo.next(FRAME.call)
    caller = next.caller
    await echo.send(caller, [FRAME.busy, next.frame[1]])
  }
  // Nine BUSYs in one moment are no reason to doubt the FREE.
  await echo.send(caller, [FRAME.free, 2])
  for (let count = 0; count < 3; count++) await echo.next(FRAME.call)
  await settled(echo)
  t.equal(echo.unread(FRAME.call).length, 0)
  t.equal(echo.unread(FRAME.free).length, 0)
})

t.test('slots that were kept and are not needed are given up', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner({ slots: 4 })
  const { invocation } = call()
  const { frame, caller } = await echo.next(FRAME.call)
  await echo.send(caller, [FRAME.busy, frame[1]])
  await until(() => invocation.state === 'queued')
  await echo.send(caller, [FRAME.free, 2])
  await echo.next(FRAME.call)
  t.same((await echo.next(FRAME.free)).frame, [FRAME.free, 0])
  // Nobody waits here by now.
  await echo.send(caller, [FRAME.free, 1])
  t.same((await echo.next(FRAME.free)).frame, [FRAME.free, 0])
})

t.test('where the FREE was lost, an announcement with room in it wakes the queue', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner({ slots: 2 })
  const { invocation } = call()
  const { frame, caller } = await echo.next(FRAME.call)
  await echo.send(caller, [FRAME.busy, frame[1]])
  await until(() => invocation.state === 'queued')
  await echo.announce({ busyBy: { other: 2 } })
  await echo.announce({ busyBy: { other: 1 } })
  await echo.next(FRAME.call)
})

t.test('a full queue refuses with no_capacity and says when to come again', async (t) => {
  const { call, dispatcher } = await startDispatcher(t, { maxQueued: 2 })
  call()
  call()
  const { answer, invocation } = call()
  t.equal(await answer.over, 'error')
  t.match(answer.error, { code: 'no_capacity', retryAfterSeconds: 1 })
  t.equal(invocation.state, 'ended')
  t.match(dispatcher.status('echo').counters, { started: 0, rejected: 1, failed: 0 })
  t.equal(dispatcher.status('echo').queued, 2)
})

t.test('a queue of one function leaves room for another', async (t) => {
  const { call } = await startDispatcher(t, { maxQueued: 1 })
  call({ functionName: 'one' })
  const { invocation } = call({ functionName: 'two' })
  t.equal(invocation.state, 'queued')
})

t.test('without a queue, what finds no slot is refused at once', async (t) => {
  const { call, runner } = await startDispatcher(t, { maxQueued: 0 })
  const echo = await runner()
  call()
  await echo.next(FRAME.call)
  const { answer } = call()
  t.equal(await answer.over, 'error')
  t.equal(answer.error?.code, 'no_capacity')
})

t.test('a call that waits too long gets no_capacity, with the reason', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t, { queueWaitMs: 30 })
  const lonely = call({ functionName: 'nobody' })
  t.equal(await lonely.answer.over, 'error')
  t.match(lonely.answer.error, { code: 'no_capacity', message: /No runner/ })
  const echo = await runner()
  call()
  await echo.next(FRAME.call)
  const { answer } = call()
  t.equal(await answer.over, 'error')
  t.match(answer.error, { code: 'no_capacity', message: /No slot/, retryAfterSeconds: 1 })
  t.equal(dispatcher.status('echo').queued, 0)
  t.match(dispatcher.status('echo').counters, { started: 1, rejected: 1 })
})

t.test('a call that got its slot in time is not hit by the clock of the queue', async (t) => {
  const { call, runner } = await startDispatcher(t, { queueWaitMs: 1_500 })
  const { answer } = call()
  const echo = await runner()
  const { frame, caller } = await echo.next(FRAME.call)
  const other = call({ functionName: 'nobody' })
  await other.answer.over
  t.same(answer.events, [])
  await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  t.equal(await answer.over, 'reply')
})

t.test('a cancelled call that waits is never sent, and heard of no more', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const { answer, invocation } = call({ url: '/cancelled' })
  const { invocation: other } = call({ url: '/other' })
  invocation.cancel()
  invocation.cancel()
  t.equal(invocation.state, 'ended')
  t.equal(dispatcher.status('echo').queued, 1)
  const echo = await runner({ slots: 2 })
  const { frame } = await echo.next(FRAME.call)
  t.equal(frame[6], '/other')
  await settled(echo)
  t.equal(echo.received.length, 1)
  t.same(answer.events, [])
  t.match(dispatcher.status('echo').counters, { started: 2, cancelled: 1, inFlight: 1 })
  other.cancel()
})

const LAST_FRAMES: Record<string, (id: number) => Frame> = {
  REPLY: (id) => [FRAME.reply, id, 200, [], Buffer.from('late')],
  END: (id) => [FRAME.end, id],
  ERROR: (id) => [FRAME.error, id, 'cancelled', 'Cancelled.', null, null],
  BUSY: (id) => [FRAME.busy, id],
}

for (const [name, lastFrame] of Object.entries(LAST_FRAMES)) {
  t.test(`a cancelled call holds its slot until the runner's ${name}`, async (t) => {
    const { call, runner, dispatcher, settled } = await startDispatcher(t)
    const echo = await runner()
    const { answer, invocation } = call()
    const { frame, caller } = await echo.next(FRAME.call)
    invocation.cancel()
    invocation.cancel()
    t.same((await echo.next(FRAME.cancel)).frame, [FRAME.cancel, frame[1], 'cancelled'])
    t.equal(invocation.state, 'settling')
    call({ url: '/next' })
    await settled(echo)
    t.equal(echo.unread(FRAME.call).length, 0, 'the slot is taken')
    t.equal(echo.unread(FRAME.cancel).length, 0, 'one CANCEL is enough')
    t.match(dispatcher.status('echo'), { queued: 1, counters: { cancelled: 1, inFlight: 1 } })
    if (name === 'BUSY') await echo.send(caller, lastFrame(frame[1]), [FRAME.free, 1])
    else await echo.send(caller, lastFrame(frame[1]))
    t.equal((await echo.next(FRAME.call)).frame[6], '/next')
    t.equal(invocation.state, 'ended')
    t.same(answer.events, [], 'and nobody was told anything')
    t.match(dispatcher.status('echo').counters, {
      started: 2,
      cancelled: 1,
      succeeded: 0,
      failed: 0,
    })
  })
}

t.test(
  'what a cancelled stream still sends is not heard, and costs no slot or credit',
  async (t) => {
    const { call, runner, dispatcher } = await startDispatcher(t)
    const echo = await runner()
    const { answer, invocation } = call()
    const { frame, caller } = await echo.next(FRAME.call)
    const id = frame[1]
    await echo.send(caller, [FRAME.head, id, 200, []], [FRAME.body, id, Buffer.from('a')])
    await answer.when(() => answer.chunks.length === 1)
    invocation.cancel()
    t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES, 'its credit is back at once')
    await echo.next(FRAME.cancel)
    await echo.send(
      caller,
      [FRAME.body, id, Buffer.from('b')],
      [FRAME.credit, id, 10],
      [FRAME.end, id],
    )
    await until(() => invocation.state === 'ended')
    t.same(answer.events, ['head'])
    t.same(answer.late, [])
    t.equal(answer.body.toString(), 'a')
  },
)

t.test('a call that is cancelled within its own answer hears nothing more', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  const { answer, invocation } = call()
  answer.onEvent = () => invocation.cancel()
  const { frame, caller } = await echo.next(FRAME.call)
  const id = frame[1]
  await echo.send(
    caller,
    [FRAME.head, id, 200, []],
    [FRAME.body, id, Buffer.from('a')],
    [FRAME.end, id],
  )
  await until(() => invocation.state === 'ended')
  t.same(answer.events, ['head'])
  t.equal(answer.chunks.length, 0)
})

t.test(
  'a call out of time fails with timed_out at once, and holds its slot until it has settled',
  async (t) => {
    const { call, runner, dispatcher, settled } = await startDispatcher(t)
    const echo = await runner()
    const { answer, invocation } = call({ timeoutMs: 40 })
    const { frame, caller } = await echo.next(FRAME.call)
    t.equal(await answer.over, 'error')
    t.equal(answer.error?.code, 'timed_out')
    t.equal(invocation.state, 'settling')
    t.same((await echo.next(FRAME.cancel)).frame, [FRAME.cancel, frame[1], 'timed_out'])
    call()
    await settled(echo)
    t.equal(echo.unread(FRAME.call).length, 0)
    await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
    await echo.next(FRAME.call)
    t.same(answer.late, [])
    t.match(dispatcher.status('echo').counters, { started: 2, timedOut: 1, failed: 0, inFlight: 1 })
  },
)

t.test('a stream out of time breaks off', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  const { answer } = call({ timeoutMs: 1_500 })
  const { frame, caller } = await echo.next(FRAME.call)
  await echo.send(caller, [FRAME.head, frame[1], 200, []])
  await answer.over
  t.same(answer.events, ['head', 'error'])
  t.equal(answer.error?.code, 'timed_out')
})

t.test('time in the queue is not time of the call', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const timed = call({ timeoutMs: 40 })
  const clock = call({ functionName: 'other', timeoutMs: 100 })
  await runner({ functionName: 'other' })
  await clock.answer.over
  t.equal(timed.invocation.state, 'queued')
  const echo = await runner()
  const { frame } = await echo.next(FRAME.call)
  t.equal(frame[3], 40)
})

t.test('a runner that is draining gets nothing new and finishes what it has', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const echo = await runner({ slots: 2 })
  const { answer } = call()
  const { frame, caller } = await echo.next(FRAME.call)
  await echo.announce({ state: 'draining' })
  await until(() => statusOf(dispatcher, echo)?.state === 'draining')
  call()
  await settled(echo)
  t.equal(echo.unread(FRAME.call).length, 0)
  await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  t.equal(await answer.over, 'reply')
  await settled(echo)
  t.equal(dispatcher.status('echo').queued, 1)
})

t.test('a runner that is gone is forgotten, and another takes over', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner()
  await echo.announce({ state: 'gone' })
  await until(() => statusOf(dispatcher, echo) === undefined)
  t.same(dispatcher.status('echo').runners, [])
  call()
  const other = await runner()
  await other.next(FRAME.call)
})

t.test(
  'a runner that is silent for three seconds is not chosen, until it is heard again',
  async (t) => {
    const { call, runner, dispatcher, settled } = await startDispatcher(t)
    const startedAt = performance.now()
    const echo = await runner({ slots: 2 })
    call()
    await echo.next(FRAME.call)
    await until(() => statusOf(dispatcher, echo)?.state === 'silent')
    t.ok(performance.now() - startedAt >= 2_999)
    call()
    await settled(echo)
    t.equal(echo.unread(FRAME.call).length, 0)
    await echo.announce()
    await echo.next(FRAME.call)
    t.equal(statusOf(dispatcher, echo)?.state, 'ready')
  },
)

t.test('a runner with calls is pinged, one without is left in peace', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const [busy, idle] = [await runner({ slots: 4 }), await runner({ functionName: 'idle' })]
  call()
  await until(() => busy.pings >= 2)
  t.equal(idle.pings, 0)
})

t.test('a runner of another protocol gets no calls, and that is logged once', async (t) => {
  const { call, runner, dispatcher, settled, logLines } = await startDispatcher(t)
  const future = await runner({ isAnnounced: false })
  for (let count = 0; count < 3; count++) {
    await future.announceRaw({ protocol: 2, runner: future.id, function: 'echo', capacity: 'much' })
  }
  const echo = await runner()
  call()
  await echo.next(FRAME.call)
  await settled(future)
  t.equal(future.received.length, 0)
  t.equal(dispatcher.status('echo').runners.length, 1)
  const lines = logLines.filter(({ msg }) => /protocol/.test(msg))
  t.equal(lines.length, 1)
  t.match(lines[0], { level: 50, msg: /version 2/ })
})

t.test('an announcement that cannot be read does no harm and is logged', async (t) => {
  const { call, runner, logLines } = await startDispatcher(t)
  const strange = await runner({ isAnnounced: false })
  await strange.announceRaw({ hello: 'world' })
  const echo = await runner()
  call()
  await echo.next(FRAME.call)
  t.ok(logLines.some(({ msg, level }) => level >= 40 && /announcement/.test(msg)))
})

t.test('a runner that announces itself in the name of another is not believed', async (t) => {
  // NATS permissions bound who may publish to <ns>.announce.<function>.<runner>; that is worth nothing
  // where the text inside may say something else.
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const echo = await runner()
  const liar = await runner({ functionName: 'liar', isAnnounced: false })
  await liar.announce({ runner: echo.id, function: 'echo', state: 'gone' })
  await liar.announce({ function: 'echo' })
  await settled(echo, liar)
  t.same(
    dispatcher.status('echo').runners.map(({ id }) => id),
    [echo.id],
  )
  call()
  await settled(echo, liar)
  t.equal(echo.unread(FRAME.call).length, 1)
  t.equal(liar.received.length, 0)
})

t.test('the status of a function shows its runners', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner({ slots: 3 })
  await echo.announce({ busyBy: { other: 1 } })
  await until(() => statusOf(dispatcher, echo)?.othersBusy === 1)
  call()
  await echo.next(FRAME.call)
  t.match(dispatcher.status('echo'), {
    name: 'echo',
    queued: 0,
    runners: [
      {
        id: echo.id,
        state: 'ready',
        slots: 3,
        inFlight: 1,
        othersBusy: 1,
        host: 'scripted',
        pid: process.pid,
      },
    ],
  })
  t.match(dispatcher.status('never heard of'), { queued: 0, runners: [], counters: { started: 0 } })
})

t.test(
  'closing refuses what waits and cancels what is with a runner, and nobody is left waiting',
  async (t) => {
    const { call, runner, dispatcher } = await startDispatcher(t)
    const echo = await runner()
    const sent = call()
    const { frame } = await echo.next(FRAME.call)
    const waiting = call()
    dispatcher.close()
    t.equal(await waiting.answer.over, 'error')
    t.match(waiting.answer.error, { code: 'draining', retryAfterSeconds: 1 })
    t.equal((await echo.next(FRAME.cancel)).frame[1], frame[1])
    t.equal(sent.answer.events.length, 1, 'its caller has to be told: it did not cancel itself')
  },
)
