// Runners that are not what they say: which send rubbish, announce slots that they have not, answer what
// they were not asked, or nothing; two of one id; and those that cannot load. The calls end with a true
// error, others take over, and the log names the runner.

import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { encodeAnnouncement } from '../../../shared/announcement.js'
import { encodeFrame } from '../../../shared/codec.js'
import { FRAME } from '../../../shared/frame.js'
import { subjectsIn } from '../../../shared/subjects.js'
import { until } from '../../shared/test-bus.js'
import type { ScriptedRunner } from '../../support/scripted-runner.js'
import { knows, type LogLine, startDispatcher, statusOf } from './test-dispatcher.js'

const EMPTY = new Uint8Array(0)

/** The one line of the log that names this runner as isolated. */
function isolatedLine(t: Test, lines: readonly LogLine[], runner: ScriptedRunner): string {
  const named = lines.filter(({ msg }) => /isolated/.test(msg))
  t.equal(named.length, 1, 'it is said once')
  t.match(named[0], { runner: runner.id, function: 'echo', host: 'scripted', pid: process.pid })
  return named[0]?.msg ?? ''
}

/** Does nothing until it is told to stop, and then only that. */
function settleCancelled(runner: ScriptedRunner): void {
  runner.onFrame = ({ frame, caller }) => {
    if (frame[0] !== FRAME.cancel) return
    void runner.send(caller, [FRAME.error, frame[1], 'timed_out', 'Stopped.', null, null])
  }
}

/** So that it is not taken for silent. */
function keepAnnouncing(t: Test, runner: ScriptedRunner): void {
  const timer = setInterval(() => void runner.announce(), 200)
  t.teardown(() => clearInterval(timer))
}

async function answerAll(runner: ScriptedRunner): Promise<void> {
  for (;;) {
    const { frame, caller } = await runner.next(FRAME.call)
    await runner.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  }
}

// ---- the protocol ------------------------------------------------------------------------------------

t.test('one that sends rubbish gets no more calls, and a neighbour gets them all', async (t) => {
  const { call, runner, dispatcher, logLines, settled } = await startDispatcher(t)
  const bad = await runner({ slots: 4 })
  const { answer } = call()
  await bad.next(FRAME.call)
  for (let count = 0; count < 5; count++)
    await bad.sendBytes(dispatcher.callerId, Buffer.from('c1'))
  t.equal(await answer.over, 'error')
  t.equal(answer.error?.code, 'protocol_error')
  const waiting = call()
  await bad.announce()
  await settled(bad)
  t.equal(waiting.invocation.state, 'queued', 'announcing itself does not help it')
  const good = await runner({ slots: 4 })
  void answerAll(good)
  for (const { answer } of [waiting, call(), call(), call()]) t.equal(await answer.over, 'reply')
  t.equal(bad.received.filter(({ frame }) => frame[0] === FRAME.call).length, 1)
  t.match(statusOf(dispatcher, bad), { state: 'isolated', reason: /cannot be read/ })
  t.match(isolatedLine(t, logLines, bad), /no calls for 30 s/)
})

t.test('one that announces rubbish is isolated', async (t) => {
  const { runner, dispatcher, logLines } = await startDispatcher(t)
  const bad = await runner()
  await bad.announceRaw({ protocol: 1, slots: 'many' })
  await until(() => statusOf(dispatcher, bad)?.state === 'isolated')
  t.match(isolatedLine(t, logLines, bad), /announcement that cannot be read/)
})

t.test('one that announces a billion slots is not believed', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const bad = await runner({ isAnnounced: false })
  await bad.announce({ slots: 1_000_000_000 })
  const { invocation } = call()
  await settled(bad)
  t.equal(statusOf(dispatcher, bad), undefined)
  t.equal(invocation.state, 'queued')
})

t.test('a publisher of rubbish that is no runner is told once', async (t) => {
  const { runner, logLines, settled } = await startDispatcher(t)
  const nobody = await runner({ isAnnounced: false })
  for (let count = 0; count < 5; count++) await nobody.announceRaw('rubbish')
  await settled(nobody)
  t.equal(logLines.filter(({ msg }) => /announcement/.test(msg)).length, 1)
})

t.test('one that calls itself otherwise halfway is isolated', async (t) => {
  const { runner, dispatcher, logLines } = await startDispatcher(t)
  const bad = await runner()
  const { connection, id } = bad
  const subject = subjectsIn('callgate').announce('other', id)
  connection.publish(
    subject,
    encodeAnnouncement({
      protocol: 1,
      runner: id,
      function: 'other',
      version: 'main',
      state: 'ready',
      slots: 1,
      busyBy: {},
      host: 'scripted',
      pid: process.pid,
      startedAt: '2025-01-01T00:00:00.000Z',
    }),
  )
  await until(() => statusOf(dispatcher, bad)?.state === 'isolated')
  t.match(isolatedLine(t, logLines, bad), /announces itself as other, too/)
  t.equal(dispatcher.status('other').runners.length, 0)
})

t.test('one that answers a call that nobody has is isolated; its own calls go on', async (t) => {
  const { call, runner, dispatcher, logLines } = await startDispatcher(t)
  const bad = await runner({ slots: 2 })
  const { answer } = call()
  const { frame, caller } = await bad.next(FRAME.call)
  await bad.send(caller, [FRAME.reply, 1_000_000, 200, [], EMPTY])
  await until(() => statusOf(dispatcher, bad)?.state === 'isolated')
  await bad.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  t.equal(await answer.over, 'reply')
  t.match(isolatedLine(t, logLines, bad), /a call that it was not given/)
})

t.test(
  'one that answers the call of another is isolated, and nobody gets its answer',
  async (t) => {
    const { call, runner, dispatcher } = await startDispatcher(t)
    const good = await runner()
    const { answer } = call()
    const { frame, caller } = await good.next(FRAME.call)
    const bad = await runner()
    await bad.send(caller, [FRAME.reply, frame[1], 200, [], Buffer.from('forged')])
    await until(() => statusOf(dispatcher, bad)?.state === 'isolated')
    t.same(answer.events, [])
    await good.send(caller, [FRAME.reply, frame[1], 200, [], Buffer.from('true')])
    await answer.over
    t.equal(answer.body.toString(), 'true')
  },
)

t.test('a late frame of a call that has ended is no fault', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const echo = await runner()
  const { answer } = call()
  const { frame, caller } = await echo.next(FRAME.call)
  const reply = encodeFrame([FRAME.reply, frame[1], 200, [], EMPTY])
  await echo.sendBytes(caller, Buffer.concat([reply, reply]))
  await echo.send(caller, [FRAME.body, frame[1], Buffer.from('late')])
  await settled(echo)
  t.equal(await answer.over, 'reply')
  t.equal(statusOf(dispatcher, echo)?.state, 'ready')
})

// ---- capacity ----------------------------------------------------------------------------------------

t.test(
  'one that says FREE and BUSY in turns is not called as fast as the network is',
  async (t) => {
    const { call, runner, settled } = await startDispatcher(t)
    const liar = await runner({ slots: 100 })
    let calls = 0
    liar.onFrame = ({ frame, caller }) => {
      if (frame[0] !== FRAME.call) return
      calls++
      void liar.send(caller, [FRAME.busy, frame[1]], [FRAME.free, 100])
    }
    const { invocation } = call()
    await until(() => calls >= 8)
    const before = calls
    for (let count = 0; count < 50; count++) await settled(liar)
    t.ok(calls - before < 40, `${calls - before} calls in 50 round trips`)
    invocation.cancel()
  },
)

t.test('one that has said BUSY again and again is tried with one call', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const slow = await runner({ slots: 100 })
  const calls = Array.from({ length: 20 }, () => call())
  for (let count = 0; count < 20; count++) {
    const { frame, caller } = await slow.next(FRAME.call)
    await slow.send(caller, [FRAME.busy, frame[1]])
  }
  await settled(slow)
  t.equal(dispatcher.status('echo').queued, 20)
  await delay(150)
  await slow.announce()
  const { frame, caller } = await slow.next(FRAME.call)
  await settled(slow)
  t.equal(slow.unread(FRAME.call).length, 0)
  void answerAll(slow)
  await slow.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  for (const { answer } of calls) t.equal(await answer.over, 'reply', 'and gets the rest at once')
})

t.test('a call that is taken without a word is known from the announcement', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const slow = await runner({ slots: 100 })
  const calls = Array.from({ length: 10 }, () => call())
  for (let count = 0; count < 10; count++) {
    const { frame, caller } = await slow.next(FRAME.call)
    await slow.send(caller, [FRAME.busy, frame[1]])
  }
  await settled(slow)
  await delay(150)
  await slow.announce()
  await slow.next(FRAME.call)
  await slow.announce({ busyBy: { [dispatcher.callerId]: 1 } })
  for (let count = 1; count < calls.length; count++) await slow.next(FRAME.call)
})

t.test('one that announces free slots and has none is isolated', async (t) => {
  const { call, runner, dispatcher, logLines } = await startDispatcher(t)
  const liar = await runner({ slots: 100 })
  liar.onFrame = ({ frame, caller }) => {
    if (frame[0] === FRAME.call) void liar.send(caller, [FRAME.busy, frame[1]])
  }
  const { answer } = call()
  while (statusOf(dispatcher, liar)?.state !== 'isolated') {
    await liar.announce()
    await delay(20)
  }
  t.match(isolatedLine(t, logLines, liar), /announces free slots and says BUSY/)
  const good = await runner()
  void answerAll(good)
  t.equal(await answer.over, 'reply', 'and the call was not lost')
})

// ---- silence -----------------------------------------------------------------------------------------

t.test('one that never answers is isolated as long as another does', async (t) => {
  const { call, runner, dispatcher, logLines } = await startDispatcher(t)
  const [dumb, good] = [await runner({ slots: 1_000 }), await runner({ slots: 2 })]
  void answerAll(good)
  // It has them all, it says; and the other one is busy with those of others.
  await dumb.announce({ busyBy: { [dispatcher.callerId]: 1 } })
  await good.announce({ busyBy: { another: 1 } })
  for (const each of [dumb, good]) keepAnnouncing(t, each)
  while (statusOf(dispatcher, dumb)?.state !== 'isolated') {
    const { answer } = call({ firstByteMs: 30 })
    await answer.over
    if (answer.error !== null) t.equal(answer.error.code, 'first_byte_timed_out')
  }
  t.match(isolatedLine(t, logLines, dumb), /has not answered \d+ calls in a row/)
  t.equal(statusOf(dispatcher, good)?.state, 'ready')
})

t.test('one that is slow, and stops when it is told to, is healthy', async (t) => {
  // Five calls that ran into their limit, one after the other, cost a function half of its runners.
  const { call, runner, dispatcher } = await startDispatcher(t)
  const [slow, good] = [await runner({ slots: 100 }), await runner({ slots: 100 })]
  void answerAll(good)
  settleCancelled(slow)
  for (const each of [slow, good]) keepAnnouncing(t, each)
  const startedMs = performance.now()
  while (performance.now() - startedMs < 3_500) await call({ firstByteMs: 30 }).answer.over
  t.equal(statusOf(dispatcher, slow)?.state, 'ready')
})

t.test(
  'one that is alone goes on to be asked, and one whose client is slow is not to blame',
  async (t) => {
    const { call, runner, dispatcher } = await startDispatcher(t)
    const [dumb, other] = [await runner({ slots: 100 }), await runner({ slots: 100 })]
    for (const each of [dumb, other]) {
      await each.announce({ busyBy: { [dispatcher.callerId]: 1 } })
      keepAnnouncing(t, each)
    }
    const startedMs = performance.now()
    while (performance.now() - startedMs < 3_500) {
      await call({ timeoutMs: 100 }, null, true).answer.over
    }
    t.equal(statusOf(dispatcher, dumb)?.state, 'ready')
    t.equal(statusOf(dispatcher, other)?.state, 'ready')
    await other.announce({ state: 'draining' })
    for (let count = 0; count < 4; count++) await call({ timeoutMs: 10 }).answer.over
    t.equal(statusOf(dispatcher, dumb)?.state, 'ready')
  },
)

t.test(
  'one that has forgotten a call is found out, and the call is not left to wait',
  async (t) => {
    const { call, runner, logLines } = await startDispatcher(t)
    const bad = await runner()
    const { answer } = call()
    await bad.next(FRAME.call)
    keepAnnouncing(t, bad)
    t.equal(await answer.over, 'error')
    t.equal(answer.error?.code, 'runner_lost')
    t.match(isolatedLine(t, logLines, bad), /knows nothing of calls/)
  },
)

t.test('one whose inbox does not exist is isolated after a while', async (t) => {
  const { call, runner, dispatcher, logLines } = await startDispatcher(t)
  const deaf = await runner()
  await deaf.goDeaf()
  const { answer } = call()
  for (;;) {
    await until(() => statusOf(dispatcher, deaf) === undefined)
    await deaf.announce()
    await knows(dispatcher, deaf)
    if (statusOf(dispatcher, deaf)?.state === 'isolated') break
  }
  t.match(isolatedLine(t, logLines, deaf), /nobody hears what is sent to it/)
  void answerAll(await runner())
  t.equal(await answer.over, 'reply')
})

t.test('one that has died without a word, and without calls, is asked and forgotten', async (t) => {
  const { runner, dispatcher } = await startDispatcher(t)
  const dead = await runner()
  await dead.goDeaf()
  await until(() => statusOf(dispatcher, dead) === undefined)
  t.equal(dead.pings, 0)
})

// ---- two of one id -----------------------------------------------------------------------------------

t.test('of two runners with one id the later one has it', async (t) => {
  const { call, runner, dispatcher, logLines, settled } = await startDispatcher(t)
  const older = await runner({ id: 'samesamesame' })
  const { answer } = call()
  await older.next(FRAME.call)
  await older.goDeaf()
  const newer = await runner({ id: 'samesamesame', isAnnounced: false })
  await newer.announce({ pid: 4_242, startedAt: '2025-01-02T00:00:00.000Z' })
  t.equal(await answer.over, 'error')
  t.equal(answer.error?.code, 'runner_lost', 'nobody knows which of them has it')
  await until(() => statusOf(dispatcher, newer)?.pid === 4_242)

  for (let count = 0; count < 3; count++) await older.announce({ slots: 77 })
  await older.announce({ state: 'gone' })
  await settled(older, newer)
  t.match(statusOf(dispatcher, newer), { pid: 4_242, slots: 1, state: 'ready' })
  void answerAll(newer)
  t.equal(await call().answer.over, 'reply')
  const lines = logLines.filter(({ msg }) => /one id/.test(msg))
  t.equal(lines.length, 1)
  t.match(lines[0], { runner: 'samesamesame', pid: 4_242, ignored: { pid: process.pid } })
})

// ---- runners that cannot load ------------------------------------------------------------------------

const REASON = { code: 'load_failed' as const, message: 'no such file: secret.onnx' }

t.test('calls wait for one that loads, and are refused when it has failed', async (t) => {
  const { call, runner, dispatcher, logLines } = await startDispatcher(t)
  const loading = await runner({ isAnnounced: false })
  await loading.announce({ state: 'loading', slots: 0, loadTimeoutMs: 60_000 })
  await knows(dispatcher, loading)
  const waiting = [call(), call()]
  t.equal(waiting[0]!.invocation.state, 'queued')
  await loading.announce({ state: 'failed', reason: REASON })
  for (const { answer } of [...waiting, call()]) {
    t.equal(await answer.over, 'error')
    t.match(answer.error, { code: 'load_failed', retryAfterSeconds: 5 })
    t.notMatch(answer.error?.message, /secret/)
  }
  t.equal(statusOf(dispatcher, loading), undefined)
  t.match(dispatcher.status('echo').loadFailure, {
    ...REASON,
    runner: loading.id,
    pid: process.pid,
  })

  const again = await runner({ isAnnounced: false })
  await again.announce({ state: 'loading', slots: 0 })
  await knows(dispatcher, again)
  t.equal(await call().answer.over, 'error', 'the next attempt has to succeed first')
  await again.announce({ state: 'failed', reason: REASON })
  await until(() => statusOf(dispatcher, again) === undefined)
  const told = logLines.filter(({ level, msg }) => level >= 50 && /secret\.onnx/.test(msg))
  t.equal(told.length, 1, 'the reason is logged once')

  const good = await runner()
  void answerAll(good)
  t.equal(await call().answer.over, 'reply')
  t.equal(dispatcher.status('echo').loadFailure, null)
})

t.test(
  'one that fails does no harm to one that is ready, or that was loading before',
  async (t) => {
    const { call, runner, dispatcher, settled } = await startDispatcher(t)
    const [first, second] = [
      await runner({ isAnnounced: false }),
      await runner({ isAnnounced: false }),
    ]
    for (const each of [first, second]) await each.announce({ state: 'loading', slots: 0 })
    await knows(dispatcher, second)
    const waiting = call()
    await first.announce({ state: 'failed', reason: REASON })
    await settled(first)
    t.equal(waiting.invocation.state, 'queued')
    await second.announce({ state: 'ready', slots: 1 })
    const { frame, caller } = await second.next(FRAME.call)
    const next = await runner({ isAnnounced: false })
    await next.announce({ state: 'failed', reason: REASON })
    await until(() => dispatcher.status('echo').loadFailure !== null)
    const other = call()
    t.equal(other.invocation.state, 'queued', 'it waits for the slot of the one that works')
    await second.announce({ state: 'draining', slots: 0 })
    t.equal(await other.answer.over, 'error', 'until that one leaves')
    await second.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
    t.equal(await waiting.answer.over, 'reply')
  },
)

t.test(
  'a load that blocks its process is counted by the gateway, one that dies at once',
  async (t) => {
    const { call, runner, dispatcher } = await startDispatcher(t)
    const blocked = await runner({ isAnnounced: false })
    await blocked.announce({ state: 'loading', slots: 0, loadTimeoutMs: 100 })
    await knows(dispatcher, blocked)
    const { answer } = call()
    t.equal(await answer.over, 'error')
    t.equal(answer.error?.code, 'load_timeout')
    await blocked.announce({ state: 'ready', slots: 1 })
    await until(() => dispatcher.status('echo').loadFailure === null)
    void answerAll(blocked)
    t.equal(await call().answer.over, 'reply', 'it has come to its end after all')
    await blocked.announce({ state: 'gone' })

    const dying = await runner({ isAnnounced: false })
    await dying.announce({ state: 'loading', slots: 0, loadTimeoutMs: 60_000 })
    await knows(dispatcher, dying)
    const last = call()
    await dying.goDeaf()
    t.equal(await last.answer.over, 'error')
    t.equal(last.answer.error?.code, 'load_failed')
    t.match(dispatcher.status('echo').loadFailure, { message: /died as it loaded/ })
  },
)

t.test('one whose death is found out when the next one works is no failure any more', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const dying = await runner({ isAnnounced: false })
  await dying.announce({ state: 'loading', slots: 0, loadTimeoutMs: 60_000 })
  await knows(dispatcher, dying)
  const next = await runner()
  void answerAll(next)
  t.equal(await call().answer.over, 'reply')
  await dying.goDeaf()
  await until(() => statusOf(dispatcher, dying) === undefined)
  t.equal(dispatcher.status('echo').loadFailure, null)
})
