// What goes wrong between the peers: runners that vanish, that talk rubbish, that come back, and a
// connection that is lost. Nothing may run twice, be lost without a word, or reach somebody else.

import { headers, type NatsConnection } from '@nats-io/transport-node'
import t from 'tap'
import type { Bus, BusMessage } from '../../../shared/bus.js'
import { encodeFrame } from '../../../shared/codec.js'
import { FRAME } from '../../../shared/frame.js'
import { subjectsIn } from '../../../shared/subjects.js'
import { seededRandom } from '../../shared/seeded-random.js'
import { until } from '../../shared/test-bus.js'
import { startCuttableProxy } from '../../support/cuttable-proxy.js'
import { startTestNats } from '../../support/nats.js'
import { CREDIT_BYTES, knows, startDispatcher, statusOf } from './test-dispatcher.js'

const KIB = 1024
const EMPTY = new Uint8Array(0)

// ---- a runner that is gone -----------------------------------------------------------------------

t.test('a call that never reached its runner goes to another, whole', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const dead = await runner()
  await dead.goDeaf()
  const body = seededRandom(1).bytes(60 * KIB)
  const { invocation, answer } = call({ url: '/x' }, body.subarray(0, 20 * KIB), true)
  invocation.write(body.subarray(20 * KIB, 40 * KIB))
  await until(() => invocation.state === 'queued')
  t.equal(statusOf(dispatcher, dead), undefined, 'the runner is forgotten')
  invocation.write(body.subarray(40 * KIB))
  invocation.end()
  const other = await runner()
  const { frame, caller } = await other.next(FRAME.call)
  t.equal(frame[6], '/x')
  await other.next(FRAME.end)
  const rest = other.unread(FRAME.body).map(([, , bytes]) => bytes)
  t.ok(Buffer.concat([frame[10] ?? EMPTY, ...rest]).equals(body))
  await other.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  t.equal(await answer.over, 'reply')
  t.match(dispatcher.status('echo').counters, { started: 1, succeeded: 1, failed: 0, inFlight: 0 })
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
})

t.test(
  'a call that had reached its runner ends with runner_lost, and is not run twice',
  async (t) => {
    const { call, runner, dispatcher, settled } = await startDispatcher(t)
    const echo = await runner({ slots: 2 })
    const { answer } = call()
    await echo.next(FRAME.call)
    await echo.goDeaf()
    const other = await runner()
    t.equal(await answer.over, 'error', 'found out by a ping')
    t.equal(answer.error?.code, 'runner_lost')
    await settled(other)
    t.equal(other.received.length, 0)
    t.match(dispatcher.status('echo').counters, { started: 1, failed: 1, inFlight: 0 })
    t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
  },
)

t.test(
  'of the calls of a lost runner those that had reached it fail, and the others go on',
  async (t) => {
    const { call, runner } = await startDispatcher(t)
    const echo = await runner({ slots: 10 })
    const before = [call(), call()]
    await echo.next(FRAME.call)
    await echo.next(FRAME.call)
    await echo.goDeaf()
    const after = [call(), call(), call()]
    for (const { answer } of before) {
      t.equal(await answer.over, 'error')
      t.equal(answer.error?.code, 'runner_lost')
    }
    const other = await runner({ slots: 10 })
    for (let count = 0; count < after.length; count++) {
      const { frame, caller } = await other.next(FRAME.call)
      await other.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
    }
    for (const { answer } of after) t.equal(await answer.over, 'reply')
  },
)

t.test(
  'a call that shared no message with what the runner has heard is tried elsewhere',
  async (t) => {
    // A CALL that does not fit into the message at hand leaves in the next one. When that one finds nobody,
    // the call has reached nobody, although its turn began with a message that was heard.
    const { call, runner, bus, dispatcher } = await startDispatcher(t)
    const echo = await runner({ slots: 20 })
    const calls = Array.from({ length: 6 }, () => call({}, Buffer.alloc(60 * KIB)))
    await echo.next(FRAME.call)
    await until(() => echo.messageBytes.length >= 2)
    const inFirst = echo.received.filter(({ message }) => message === 0).length
    t.ok(inFirst < calls.length, 'the calls took two messages')
    // As the server would have said it of the second message.
    await echo.connection.flush()
    const replyTo = `${subjectsIn('callgate').toCaller(dispatcher.callerId, echo.id)}.1`
    await bus.flush()
    await sayNoResponders(echo.connection, replyTo)
    for (const { answer } of calls.slice(0, inFirst)) {
      await answer.over
      t.equal(answer.error?.code, 'runner_lost')
    }
    for (const { invocation } of calls.slice(inFirst)) t.equal(invocation.state, 'queued')
  },
)

t.test('calls in the first messages of their turn are lost with them', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const dead = await runner({ slots: 20 })
  await dead.goDeaf()
  const calls = Array.from({ length: 10 }, () => call({}, Buffer.alloc(60 * KIB)))
  const other = await runner({ slots: 20 })
  for (let count = 0; count < calls.length; count++) {
    const { frame, caller } = await other.next(FRAME.call)
    t.equal(frame[10]?.length, 60 * KIB)
    await other.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  }
  for (const { answer } of calls) t.equal(await answer.over, 'reply')
})

t.test('a cancelled call of a runner that vanishes is over', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner()
  const { invocation, answer } = call()
  await echo.next(FRAME.call)
  await echo.goDeaf()
  invocation.cancel()
  await until(() => invocation.state === 'ended')
  t.same(answer.events, [])
  t.match(dispatcher.status('echo').counters, { started: 1, cancelled: 1, failed: 0, inFlight: 0 })
})

t.test('a runner that goes in order takes no undelivered call with it', async (t) => {
  // A rolling update: the runner's last announcement and a CALL cross each other. The call has reached
  // nobody, and "no responders" is about to say so; the announcement comes first.
  const gate = new Gate()
  const { call, runner, settled } = await startDispatcher(t, { wrapBus: (bus) => gate.on(bus) })
  const leaving = await runner()
  await leaving.goDeaf()
  gate.hold()
  const { invocation, answer } = call()
  await settled()
  await leaving.announce({ state: 'gone' })
  await settled()
  gate.releaseAnnouncements()
  await settled()
  gate.open()
  const other = await runner()
  await settled(other)
  t.equal(answer.error, null)
  t.equal(invocation.state, 'sent')
  t.equal(other.unread(FRAME.call).length, 1)
})

t.test('a runner that is gone takes its delivered calls with it, at once', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  const { answer } = call()
  await echo.next(FRAME.call)
  await echo.goDeaf()
  await echo.announce({ state: 'gone' })
  t.equal(await answer.over, 'error')
  t.equal(answer.error?.code, 'runner_lost')
})

// ---- a runner that comes back ----------------------------------------------------------------------

t.test('a late answer of a runner that was lost never reaches another call', async (t) => {
  // A runner's connection breaks for a moment: its calls end with runner_lost, it comes back under its old
  // id, and what it was still computing for one client must not be taken for the answer to another.
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const echo = await runner({ slots: 4 })
  const lost = call({ url: '/lost' })
  const old = await echo.next(FRAME.call)
  await echo.goDeaf()
  await lost.answer.over
  await echo.hear()
  await echo.announce()
  await knows(dispatcher, echo)
  const other = call({ url: '/other' })
  const fresh = await echo.next(FRAME.call)
  t.not(fresh.frame[1], old.frame[1], 'an id is used once as long as the runner lives')
  await echo.send(old.caller, [FRAME.reply, old.frame[1], 200, [], Buffer.from('a secret')])
  await settled(echo)
  t.equal(other.answer.body.toString(), '')
  t.same(other.answer.events, [])
  await echo.send(fresh.caller, [FRAME.reply, fresh.frame[1], 200, [], Buffer.from('its own')])
  await other.answer.over
  t.equal(other.answer.body.toString(), 'its own')
})

t.test('ids are not used again for a runner that was forgotten after its last word', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner({ slots: 1 })
  const ids = new Set<number>()
  for (let round = 0; round < 3; round++) {
    const { answer } = call()
    const { frame, caller } = await echo.next(FRAME.call)
    ids.add(frame[1])
    await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
    await answer.over
    await echo.announce({ state: 'gone' })
    await until(() => statusOf(dispatcher, echo) === undefined)
    await echo.announce({ state: 'ready' })
    await knows(dispatcher, echo)
  }
  t.equal(ids.size, 3)
})

t.test(
  'a frame that goes on for a call that is over is answered with a CANCEL, a last frame is not',
  async (t) => {
    const { call, runner, settled, dispatcher } = await startDispatcher(t)
    const echo = await runner()
    const { answer } = call()
    const { frame, caller } = await echo.next(FRAME.call)
    await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
    await answer.over
    await echo.send(caller, [FRAME.reply, 1_000, 200, [], EMPTY], [FRAME.end, 1_001])
    await echo.send(caller, [FRAME.error, 1_002, 'internal', 'x', null, null], [FRAME.busy, 1_003])
    await echo.send(caller, [FRAME.free, 1])
    await settled(echo)
    t.equal(echo.unread(FRAME.cancel).length, 0)
    await echo.send(caller, [FRAME.head, 2_000, 200, []], [FRAME.body, 2_001, Buffer.from('x')])
    t.same((await echo.next(FRAME.cancel)).frame, [FRAME.cancel, 2_000, 'cancelled'])
    t.same((await echo.next(FRAME.cancel)).frame, [FRAME.cancel, 2_001, 'cancelled'])
    t.match(dispatcher.status('echo').counters, { started: 1, succeeded: 1 })
  },
)

// ---- a runner that talks rubbish ---------------------------------------------------------------------

const RUBBISH: Record<string, Uint8Array> = {
  'no msgpack': Buffer.from('c1', 'hex'),
  'no frames': Buffer.from('a5hello'),
  'an unknown frame': Buffer.from([0x92, 99, 1]),
  'a frame with one element too many': Buffer.from('93030101', 'hex'),
  'half of a frame': Buffer.from('9203', 'hex'),
  'a frame that only callers send': encodeFrame([FRAME.cancel, 1, 'cancelled']),
}

for (const [name, bytes] of Object.entries(RUBBISH)) {
  t.test(`a message with ${name} ends all calls with that runner, and no others`, async (t) => {
    const { call, runner, dispatcher, logLines, settled } = await startDispatcher(t)
    const [bad, good] = [await runner({ slots: 2 }), await runner({ slots: 2 })]
    const calls = Array.from({ length: 4 }, () => call())
    await settled(bad, good)
    const ofBad = new Set(bad.unread(FRAME.call).map(([, , callId]) => callId))
    t.equal(ofBad.size, 2)
    await bad.sendBytes(dispatcher.callerId, bytes)
    for (const { invocation, answer } of calls) {
      if (!ofBad.has(invocation.head.callId)) continue
      t.equal(await answer.over, 'error')
      t.equal(answer.error?.code, 'protocol_error')
    }
    await settled(bad, good)
    const others = calls.filter(({ invocation }) => !ofBad.has(invocation.head.callId))
    for (const { answer } of others) t.same(answer.events, [])
    for (let count = 0; count < 2; count++) {
      const { frame, caller } = await good.next(FRAME.call)
      await good.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
    }
    for (const { answer } of others) t.equal(await answer.over, 'reply')
    t.equal(logLines.filter(({ level }) => level >= 50).length, 1, 'an operator is told')
    t.match(dispatcher.status('echo').counters, { started: 4, succeeded: 2, failed: 2 })
  })
}

t.test('calls that a rubbish message has ended are cancelled over there', async (t) => {
  const { call, runner, dispatcher, settled } = await startDispatcher(t)
  const echo = await runner({ slots: 2 })
  const { answer } = call()
  const { frame, caller } = await echo.next(FRAME.call)
  await echo.sendBytes(caller, Buffer.from('c1', 'hex'))
  t.equal(await answer.over, 'error')
  await settled(echo)
  const cancelled = echo.unread(FRAME.cancel).map(([, id]) => id)
  t.same(cancelled, [frame[1]], 'nobody wants their answers any more')
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
})

t.test('frames before the rubbish in its message count', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner({ slots: 2 })
  const [one, two] = [call(), call()]
  const first = await echo.next(FRAME.call)
  await echo.next(FRAME.call)
  const reply = encodeFrame([FRAME.reply, first.frame[1], 200, [], EMPTY])
  await echo.sendBytes(first.caller, Buffer.concat([reply, Buffer.from([0x92, 99, 1])]))
  t.equal(await one.answer.over, 'reply')
  t.equal(await two.answer.over, 'error')
})

t.test('a handler that throws does not take its neighbours with it', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner({ slots: 2 })
  const [broken, neighbour] = [call(), call()]
  broken.answer.onEvent = () => {
    throw new Error('A bug in the front.')
  }
  const first = await echo.next(FRAME.call)
  const second = await echo.next(FRAME.call)
  await echo.send(
    first.caller,
    [FRAME.reply, first.frame[1], 200, [], EMPTY],
    [FRAME.reply, second.frame[1], 200, [], EMPTY],
  )
  await until(() => neighbour.answer.events.length > 0)
  t.same(neighbour.answer.events, ['reply'])
  t.match(dispatcher.status('echo').counters, { inFlight: 0 })
})

// ---- a connection that is lost -----------------------------------------------------------------------

t.test('a lost connection ends what was sent and keeps what waits', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const { call, runner, dispatcher, bus } = await startDispatcher(t, {
    url,
    dispatcherUrl: proxy.url,
  })
  const echo = await runner({ slots: 2 })
  const sent = [call(), call()]
  const waiting = [call({ url: '/w1' }), call({ url: '/w2' }), call({ url: '/w3' })]
  await echo.next(FRAME.call)
  await echo.next(FRAME.call)
  proxy.cut()
  for (const { answer } of sent) {
    t.equal(await answer.over, 'error')
    t.equal(answer.error?.code, 'transport_unavailable')
  }
  t.notOk(bus.isConnected)
  await new Promise((resolve) => setImmediate(resolve))
  for (const { invocation } of waiting) t.equal(invocation.state, 'queued')
  t.equal(dispatcher.status('echo').queued, 3)
  t.match(dispatcher.status('echo').counters, { started: 2, failed: 2, inFlight: 0 })
  proxy.mend()
  await backAndListening(bus)
  await echo.announce()
  await until(() => echo.unread(FRAME.call).length >= 2)
  const urls = [(await echo.next(FRAME.call)).frame[6], (await echo.next(FRAME.call)).frame[6]]
  t.same(urls, ['/w1', '/w2'], 'and they are served when it is back')
})

t.test('a call that is started while the connection is lost waits for its return', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const { call, runner, bus } = await startDispatcher(t, { url, dispatcherUrl: proxy.url })
  const echo = await runner({ slots: 2 })
  proxy.cut()
  await until(() => !bus.isConnected)
  const { invocation, answer } = call({ url: '/during' }, Buffer.from('body'))
  t.equal(invocation.state, 'queued')
  await new Promise((resolve) => setImmediate(resolve))
  proxy.mend()
  await backAndListening(bus)
  await echo.announce()
  await until(() => echo.received.length > 0 || answer.error !== null)
  t.equal(answer.error, null)
  const { frame, caller } = await echo.next(FRAME.call)
  t.equal(frame[6], '/during')
  t.equal(Buffer.from(frame[10]!).toString(), 'body')
  await echo.send(caller, [FRAME.reply, frame[1], 200, [], EMPTY])
  t.equal(await answer.over, 'reply')
})

t.test('without a connection a call waits no longer than the queue allows', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const options = { url, dispatcherUrl: proxy.url, queueWaitMs: 50 }
  const { call, runner, bus } = await startDispatcher(t, options)
  await runner()
  proxy.cut()
  await until(() => !bus.isConnected)
  const { answer } = call({ timeoutMs: 5_000 })
  t.equal(await answer.over, 'error')
  t.equal(answer.error?.code, 'transport_unavailable')
})

t.test('after a loss, what was given up is cancelled over there', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const { call, runner, bus } = await startDispatcher(t, { url, dispatcherUrl: proxy.url })
  const echo = await runner({ slots: 2 })
  const { answer } = call()
  const { frame } = await echo.next(FRAME.call)
  proxy.cut()
  await answer.over
  await until(() => !bus.isConnected)
  proxy.mend()
  t.same((await echo.next(FRAME.cancel)).frame, [FRAME.cancel, frame[1], 'cancelled'])
})

t.test('cancelling while the connection is lost is safe', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const { call, runner, bus, dispatcher } = await startDispatcher(t, {
    url,
    dispatcherUrl: proxy.url,
  })
  const echo = await runner()
  const sent = call()
  const waiting = call()
  await echo.next(FRAME.call)
  proxy.cut()
  await until(() => !bus.isConnected)
  sent.invocation.cancel()
  waiting.invocation.cancel()
  t.same(waiting.answer.events, [])
  t.equal(dispatcher.status('echo').queued, 0)
  t.match(dispatcher.status('echo').counters, { started: 2, failed: 1, cancelled: 1, inFlight: 0 })
})

t.test('a server that restarts is found again, and calls go on', async (t) => {
  const first = await startTestNats(t)
  const { call, runner, bus } = await startDispatcher(t, { url: first.url })
  const echo = await runner({ slots: 2 })
  const sent = call()
  await echo.next(FRAME.call)
  await first.stop()
  await sent.answer.over
  t.equal(sent.answer.error?.code, 'transport_unavailable')
  await startTestNats(t, { port: Number(new URL(first.url).port) })
  await backAndListening(bus)
  await echo.connection.flush()
  await echo.announce()
  const { answer } = call({ url: '/after' })
  let next = await echo.next(FRAME.call)
  while (next.frame[6] !== '/after') next = await echo.next(FRAME.call)
  await echo.send(next.caller, [FRAME.reply, next.frame[1], 200, [], EMPTY])
  t.equal(await answer.over, 'reply')
})

/** The connection is there before its subscriptions are: an announcement in between would be missed. */
async function backAndListening(bus: Bus): Promise<void> {
  await until(() => bus.isConnected)
  await bus.flush()
}

/** What the server sends for a message that nobody hears, said by a client. */
async function sayNoResponders(connection: NatsConnection, subject: string): Promise<void> {
  connection.publish(subject, EMPTY, { headers: headers(503, 'No Responders') })
  await connection.flush()
}

/** Holds back what a bus delivers, so that a test decides what comes first. */
class Gate {
  #isHolding = false
  #held: { subject: string; deliver: () => void }[] = []

  on(bus: Bus): Bus {
    return {
      get maxPayloadBytes() {
        return bus.maxPayloadBytes
      },
      get isConnected() {
        return bus.isConnected
      },
      get isCongested() {
        return bus.isCongested
      },
      onceDrained: (listener) => bus.onceDrained(listener),
      publish: (...args) => bus.publish(...args),
      send: (message) => bus.send(message),
      onConnection: (listener) => bus.onConnection(listener),
      flush: () => bus.flush(),
      subscribe: (subject: string, onMessage: (message: BusMessage) => void) =>
        bus.subscribe(subject, (message) => {
          if (this.#isHolding) {
            this.#held.push({ subject: message.subject, deliver: () => onMessage(message) })
          } else onMessage(message)
        }),
    }
  }

  hold(): void {
    this.#isHolding = true
  }

  releaseAnnouncements(): void {
    const held = this.#held
    this.#held = held.filter(({ subject }) => !subject.includes('.announce.'))
    for (const { subject, deliver } of held) if (subject.includes('.announce.')) deliver()
  }

  open(): void {
    this.#isHolding = false
    for (const { deliver } of this.#held.splice(0)) deliver()
  }
}
