// The two bodies of a call: nothing is lost on the way to another runner, nothing is sent without credit,
// and the memory of a gateway is its budget.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { FRAME, INITIAL_BODY_CREDIT_BYTES } from '../../../shared/frame.js'
import { seededRandom } from '../../shared/seeded-random.js'
import { until } from '../../shared/test-bus.js'
import { startCuttableProxy } from '../../support/cuttable-proxy.js'
import { startTestNats } from '../../support/nats.js'
import type { Received, ScriptedRunner } from '../../support/scripted-runner.js'
import { type Call, CREDIT_BYTES, startDispatcher, statusOf } from './test-dispatcher.js'

const KIB = 1024
const EMPTY = new Uint8Array(0)

// ---- request -------------------------------------------------------------------------------------

t.test('a small body travels inside its CALL', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const echo = await runner()
  const body = seededRandom(1).bytes(INITIAL_BODY_CREDIT_BYTES)
  call({}, body)
  const { frame } = await echo.next(FRAME.call)
  t.ok(body.equals(frame[10]!))
  t.equal(frame[11], false)
  await settled(echo)
  t.equal(echo.received.length, 1)
})

t.test(
  'a body that is complete and larger than the first credit waits for more of it',
  async (t) => {
    const { call, runner, settled } = await startDispatcher(t)
    const echo = await runner()
    const body = seededRandom(2).bytes(200 * KIB)
    const { answer } = call({}, body)
    const request = new RequestOf(echo)
    await settled(echo)
    t.equal(request.bytes.length, INITIAL_BODY_CREDIT_BYTES)
    t.notOk(request.hasEnded)
    const { id, caller } = request
    await echo.send(caller, [FRAME.credit, id, 100 * KIB])
    await until(() => request.bytes.length === 164 * KIB)
    await settled(echo)
    t.equal(request.bytes.length, 164 * KIB, 'no byte beyond the credit')
    await echo.send(caller, [FRAME.credit, id, 100 * KIB])
    await until(() => request.hasEnded)
    t.ok(request.bytes.equals(body))
    t.equal(answer.drains, 0, 'nobody had been told to wait')
  },
)

t.test('a body that is written piece by piece arrives in order, with its end', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  const { invocation } = call({}, Buffer.from('a'), true)
  const request = new RequestOf(echo)
  t.ok(invocation.write(Buffer.from('b')))
  await until(() => request.bytes.length === 2)
  t.ok(invocation.write(Buffer.from('c')))
  invocation.end()
  invocation.end()
  await until(() => request.hasEnded)
  t.equal(request.bytes.toString(), 'abc')
  t.equal(echo.received.filter(({ frame }) => frame[0] === FRAME.end).length, 1)
})

t.test('a body without bytes has an end', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  const { invocation } = call({}, null, true)
  const request = new RequestOf(echo)
  await until(() => request.id !== -1)
  invocation.end()
  await until(() => request.hasEnded)
  t.equal(request.bytes.length, 0)
})

t.test('write says when to wait, and onDrain when to go on', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const echo = await runner()
  const { invocation, answer } = call({}, null, true)
  const request = new RequestOf(echo)
  const piece = seededRandom(3).bytes(16 * KIB)
  for (let count = 0; count < 4; count++) t.ok(invocation.write(piece), 'within the credit')
  t.notOk(invocation.write(piece), 'beyond it')
  await settled(echo)
  t.equal(request.bytes.length, 64 * KIB)
  t.equal(answer.drains, 0)
  await echo.send(request.caller, [FRAME.credit, request.id, 8 * KIB])
  await until(() => request.bytes.length === 72 * KIB)
  t.equal(answer.drains, 0, 'half of a piece still waits')
  await echo.send(request.caller, [FRAME.credit, request.id, 8 * KIB])
  await answer.when(() => answer.drains === 1)
  await until(() => request.bytes.length === 80 * KIB)
  t.notOk(invocation.write(piece), 'the credit is spent to the last byte')
  await echo.send(request.caller, [FRAME.credit, request.id, 1024 * KIB])
  await answer.when(() => answer.drains === 2)
  t.ok(invocation.write(piece))
  invocation.end()
  await until(() => request.hasEnded)
  t.ok(request.bytes.equals(Buffer.concat(Array.from({ length: 7 }, () => piece))))
  t.equal(answer.drains, 2)
})

t.test('a connection that takes no more is a reason to wait, whatever the credit', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const { call, runner, settled } = await startDispatcher(t, { url, dispatcherUrl: proxy.url })
  const echo = await runner()
  const { invocation, answer } = call({}, Buffer.from('x'), true)
  const request = new RequestOf(echo)
  await until(() => request.bytes.length === 1)
  const creditBytes = 256 * 1024 * KIB
  await echo.send(request.caller, [FRAME.credit, request.id, creditBytes])
  await settled(echo)
  proxy.stopUp()
  const piece = seededRandom(3).bytes(512 * KIB)
  let count = 1
  while (invocation.write(piece)) count++
  t.ok(count * piece.length < creditBytes, `${count} pieces`)
  t.equal(answer.drains, 0)
  proxy.mend()
  await answer.when(() => answer.drains === 1)
  invocation.end()
  await until(() => request.hasEnded)
  t.ok(request.bytes.subarray(1).equals(Buffer.concat(Array(count).fill(piece))))
})

t.test('bytes may be reused as soon as write returns, sent or not', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const { invocation, answer } = call({}, null, true)
  const scratch = Buffer.alloc(30 * KIB)
  invocation.write(scratch.fill(1))
  const echo = await runner()
  const request = new RequestOf(echo)
  await answer.when(() => answer.drains === 1)
  for (let value = 2; value <= 5; value++) invocation.write(scratch.fill(value))
  scratch.fill(0xff)
  invocation.end()
  await until(() => request.bytes.length === 64 * KIB)
  await echo.send(request.caller, [FRAME.credit, request.id, 1024 * KIB])
  await until(() => request.hasEnded)
  const wanted = [1, 2, 3, 4, 5].map((value) => Buffer.alloc(30 * KIB, value))
  t.ok(request.bytes.equals(Buffer.concat(wanted)))
})

t.test('what is written while the call waits in the queue is kept, in order', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const { invocation, answer } = call({}, Buffer.from('a'), true)
  t.notOk(invocation.write(Buffer.from('b')), 'nothing can be sent yet')
  invocation.write(Buffer.from('c'))
  const echo = await runner()
  const request = new RequestOf(echo)
  await answer.when(() => answer.drains === 1)
  invocation.write(Buffer.from('d'))
  invocation.end()
  await until(() => request.hasEnded)
  t.equal(request.bytes.toString(), 'abcd')
})

t.test('a body that ended while the call was in the queue arrives whole', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const { invocation } = call({}, Buffer.from('a'), true)
  invocation.write(Buffer.from('b'))
  invocation.end()
  const echo = await runner()
  const request = new RequestOf(echo)
  await until(() => request.hasEnded)
  t.equal(request.bytes.toString(), 'ab')
})

t.test('onDrain may write, end and cancel', async (t) => {
  const { call, runner } = await startDispatcher(t)
  const writing = call({}, null, true)
  const cancelling = call({}, null, true)
  let left = 20
  writing.answer.onEvent = () => {
    while (left > 0) {
      left--
      if (!writing.invocation.write(Buffer.alloc(10 * KIB, left))) return
    }
    writing.invocation.end()
  }
  cancelling.answer.onEvent = () => cancelling.invocation.cancel()
  writing.invocation.write(Buffer.from('x'))
  cancelling.invocation.write(Buffer.from('x'))
  const echo = await runner({ slots: 2 })
  const request = new RequestOf(echo)
  echo.onFrame = (received) => {
    request.onFrame(received)
    const { frame, caller } = received
    if (frame[0] === FRAME.body) void echo.send(caller, [FRAME.credit, frame[1], frame[2].length])
  }
  // For what had arrived before `onFrame` was there.
  await echo.send(request.caller, [FRAME.credit, request.id, 64 * KIB])
  await until(() => request.hasEnded)
  t.equal(request.bytes.length, 1 + 200 * KIB)
  t.equal(cancelling.invocation.state, 'settling')
})

t.test('BUSY loses nothing of a body that was sent in part, wherever it stood', async (t) => {
  const random = seededRandom(4)
  const body = random.bytes(150 * KIB)
  for (const sentBytes of [0, 1, 10 * KIB, 64 * KIB, 100 * KIB]) {
    for (const inCall of [0, Math.min(sentBytes, 5 * KIB)]) {
      const { call, runner, settled, dispatcher } = await startDispatcher(t)
      const full = await runner()
      const { invocation, answer } = call({}, inCall === 0 ? null : body.subarray(0, inCall), true)
      if (sentBytes > inCall) invocation.write(body.subarray(inCall, sentBytes))
      const first = await full.next(FRAME.call)
      await settled(full)
      await full.send(first.caller, [FRAME.busy, first.frame[1]])
      await until(() => invocation.state === 'queued')
      const other = await runner()
      const request = new RequestOf(other)
      await until(() => request.id !== -1)
      invocation.write(body.subarray(sentBytes))
      invocation.end()
      await settled(other)
      t.equal(request.bytes.length, 64 * KIB, 'the credit of the second runner counts anew')
      await other.send(request.caller, [FRAME.credit, request.id, 200 * KIB])
      await until(() => request.hasEnded)
      t.ok(request.bytes.equals(body), `${sentBytes} bytes were sent, ${inCall} in the CALL`)
      await other.send(request.caller, [FRAME.reply, request.id, 200, [], EMPTY])
      t.equal(await answer.over, 'reply')
      t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
    }
  }
})

t.test('bytes that were reused after write are still right at the runner after BUSY', async (t) => {
  const { call, runner, settled, bus } = await startDispatcher(t)
  const { invocation } = call({}, null, true)
  const scratch = Buffer.alloc(10 * KIB)
  // While it waits, while it is with a runner, and while it waits again.
  invocation.write(scratch.fill(1))
  invocation.write(scratch.fill(2))
  const full = await runner({ slots: 10 })
  const { frame, caller } = await full.next(FRAME.call)
  invocation.write(scratch.fill(3))
  invocation.write(scratch.fill(4))
  await settled(full)
  // Others use what buffers have become free meanwhile.
  const others = Array.from({ length: 5 }, () => call({}, null, true).invocation)
  for (const other of others) other.write(scratch.fill(0xee))
  await settled(full)
  await full.announce({ state: 'draining' })
  await full.send(caller, [FRAME.busy, frame[1]])
  await until(() => invocation.state === 'queued')
  invocation.write(scratch.fill(5))
  invocation.end()
  scratch.fill(0xff)
  await bus.flush()
  const request = new RequestOf(await runner())
  await until(() => request.hasEnded)
  const wanted = [1, 2, 3, 4, 5].map((value) => Buffer.alloc(10 * KIB, value))
  t.ok(request.bytes.equals(Buffer.concat(wanted)))
})

t.test('BUSY after BUSY after BUSY still loses nothing', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const body = seededRandom(5).bytes(60 * KIB)
  const { invocation } = call({}, body.subarray(0, 10 * KIB), true)
  for (let round = 1; round <= 4; round++) {
    const full = await runner()
    const { frame, caller } = await full.next(FRAME.call)
    invocation.write(body.subarray(round * 10 * KIB, (round + 1) * 10 * KIB))
    await settled(full)
    await full.announce({ state: 'draining' })
    await full.send(caller, [FRAME.busy, frame[1]])
    await until(() => invocation.state === 'queued')
  }
  invocation.write(body.subarray(50 * KIB))
  invocation.end()
  const echo = await runner()
  const request = new RequestOf(echo)
  await until(() => request.hasEnded)
  t.ok(request.bytes.equals(body))
})

t.test('a body of END and BUSY crossing each other ends at the next runner, too', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const full = await runner()
  const { invocation } = call({}, Buffer.from('a'), true)
  invocation.write(Buffer.from('b'))
  invocation.end()
  const { frame, caller } = await full.next(FRAME.call)
  await full.next(FRAME.end)
  await settled(full)
  await full.send(caller, [FRAME.busy, frame[1]])
  const other = await runner()
  const request = new RequestOf(other)
  await until(() => request.hasEnded)
  t.equal(request.bytes.toString(), 'ab')
})

t.test('BUSY from a runner that has begun is a fault, not a reason to run twice', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const [echo, other] = [await runner(), await runner()]
  const { answer } = call({}, Buffer.alloc(10 * KIB), true)
  await settled(echo, other)
  const [has, idle] = echo.received.length > 0 ? [echo, other] : [other, echo]
  const { frame, caller } = await has.next(FRAME.call)
  await has.send(caller, [FRAME.credit, frame[1], 1], [FRAME.busy, frame[1]])
  t.equal(await answer.over, 'error')
  t.equal(answer.error?.code, 'protocol_error')
  await settled(echo, other)
  t.equal(idle.received.length, 0)
})

t.test('an answer before the end of the request stops the request', async (t) => {
  const { call, runner, settled } = await startDispatcher(t)
  const echo = await runner()
  const { invocation, answer } = call({}, Buffer.from('a'), true)
  const { frame, caller } = await echo.next(FRAME.call)
  await echo.send(caller, [FRAME.reply, frame[1], 413, [], EMPTY])
  await answer.over
  t.ok(invocation.write(Buffer.alloc(1024 * KIB)), 'what is still written is thrown away')
  invocation.end()
  await settled(echo)
  t.equal(echo.received.length, 1)
  t.same(answer.late, [])
})

for (let seed = 1; seed <= 4; seed++) {
  t.test(
    `whatever the pieces and the grants: intact, and never beyond the credit (seed ${seed})`,
    async (t) => {
      const random = seededRandom(seed)
      const { call, runner } = await startDispatcher(t)
      const echo = await runner({ slots: 20 })
      const bodies = Array.from({ length: 20 }, () => random.bytes(random.int(0, 400 * KIB)))
      const requests = new Map<
        number,
        { bytes: Buffer[]; length: number; credit: number; hasEnded: boolean }
      >()
      const faults: string[] = []
      echo.onFrame = ({ frame, caller }) => {
        if (frame[0] === FRAME.call) {
          const first = Buffer.from(frame[10] ?? EMPTY)
          const credit = INITIAL_BODY_CREDIT_BYTES - first.length
          requests.set(frame[1], {
            bytes: [first],
            length: first.length,
            credit,
            hasEnded: !frame[11],
          })
        }
        if (frame[0] !== FRAME.body && frame[0] !== FRAME.end && frame[0] !== FRAME.call) return
        const request = requests.get(frame[1])!
        if (frame[0] === FRAME.body) {
          if (request.hasEnded) faults.push('BODY after the end')
          request.bytes.push(Buffer.from(frame[2]))
          request.length += frame[2].length
          request.credit -= frame[2].length
        } else if (frame[0] === FRAME.end) request.hasEnded = true
        if (request.credit < 0) faults.push(`${-request.credit} bytes beyond the credit`)
        if (request.credit < 10 * KIB && !request.hasEnded) {
          const grant = random.int(1, 90 * KIB)
          request.credit += grant
          void echo.send(caller, [FRAME.credit, frame[1], grant])
        }
      }
      await Promise.all(
        bodies.map(async (body) => {
          let at = random.int(0, Math.min(body.length, 100 * KIB))
          const { invocation, answer } = call({}, at === 0 ? null : body.subarray(0, at), true)
          while (at < body.length) {
            const end = Math.min(
              body.length,
              at + random.pick([1, 100, 5 * KIB, 70 * KIB, 300 * KIB]),
            )
            const drains = answer.drains
            const goesOn = invocation.write(body.subarray(at, end))
            at = end
            if (!goesOn) await answer.when(() => answer.drains > drains)
          }
          invocation.end()
        }),
      )
      await until(
        () => requests.size === 20 && [...requests.values()].every(({ hasEnded }) => hasEnded),
      )
      t.same(faults, [])
      const arrived = [...requests.values()].map(({ bytes }) => Buffer.concat(bytes))
      for (const [index, body] of bodies.entries()) {
        if (!arrived[index]!.equals(body))
          return t.fail(`body ${index} of ${body.length} bytes differs`)
      }
    },
  )
}

t.test('a server with a small bound takes a large body and a large head', async (t) => {
  const { url } = await startTestNats(t, { maxPayloadBytes: 64 * KIB })
  const { call, runner } = await startDispatcher(t, { url })
  const echo = await runner()
  const body = seededRandom(6).bytes(60 * KIB)
  const { answer } = call({ headers: ['x-large', 'x'.repeat(16 * KIB)] }, body)
  const request = new RequestOf(echo)
  await until(() => request.hasEnded || answer.error !== null)
  t.equal(answer.error, null)
  t.ok(request.bytes.equals(body))
})

t.test('a head that no message can hold fails the call and frees the slot', async (t) => {
  const { url } = await startTestNats(t, { maxPayloadBytes: 64 * KIB })
  const { call, runner, dispatcher } = await startDispatcher(t, { url })
  const echo = await runner()
  const { answer } = call({ headers: ['x-large', 'x'.repeat(70 * KIB)] })
  t.equal(await answer.over, 'error')
  t.equal(answer.error?.code, 'payload_too_large')
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
  call()
  await echo.next(FRAME.call)
  t.match(dispatcher.status('echo').counters, { started: 2, failed: 1, inFlight: 1 })
})

// ---- response ------------------------------------------------------------------------------------

t.test('a client that reads lets the runner go on, as far as it likes', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const echo = await runner()
  const { answer } = call()
  const body = seededRandom(7).bytes(3 * 1024 * KIB)
  await answerWith(echo, body)
  t.equal(await answer.over, 'end')
  t.ok(answer.body.equals(body))
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
})

t.test(
  'a client that does not read stops the runner, and costs no more than its first credit',
  async (t) => {
    const { call, runner, settled, dispatcher } = await startDispatcher(t)
    const echo = await runner()
    const { answer, invocation } = call()
    answer.isConsuming = false
    const { frame, caller } = await echo.next(FRAME.call)
    const [, id, , , credit] = frame
    await echo.send(caller, [FRAME.head, id, 200, []], [FRAME.body, id, Buffer.alloc(credit)])
    await answer.when(() => answer.body.length === credit)
    await settled(echo)
    t.equal(echo.unread(FRAME.credit).length, 0)
    t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES - credit)
    invocation.consumed(credit)
    t.ok((await echo.next(FRAME.credit)).frame[2] > 0, 'and goes on when it reads')
    invocation.cancel()
    t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
  },
)

t.test('bytes that a client has not read yet count, also when the runner is done', async (t) => {
  // The runner's END says nothing about the client: what it has not taken is still in our memory. Given
  // back at END, a budget would bound nothing for slow clients of short streams.
  const { call, runner, settled, dispatcher } = await startDispatcher(t)
  const echo = await runner({ slots: 1 })
  const { answer, invocation } = call()
  answer.isConsuming = false
  const { frame, caller } = await echo.next(FRAME.call)
  const [, id, , , credit] = frame
  await echo.send(
    caller,
    [FRAME.head, id, 200, []],
    [FRAME.body, id, Buffer.alloc(credit)],
    [FRAME.end, id],
  )
  await answer.over
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES - credit)
  invocation.consumed(credit)
  await settled(echo)
  t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES)
  t.equal(echo.unread(FRAME.credit).length, 0, 'nobody is granted anything any more')
})

t.test('a spent budget still gives every call the least, and all of them an answer', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t, { creditBytes: 40 * KIB })
  const echo = await runner({ slots: 50 })
  const calls = Array.from({ length: 50 }, () => call())
  const body = seededRandom(8).bytes(60 * KIB)
  await Promise.all(calls.map(() => answerWith(echo, body)))
  for (const { answer } of calls) {
    t.equal(await answer.over, 'end')
    t.ok(answer.body.equals(body))
  }
  const credits = echo.received.flatMap(({ frame }) => (frame[0] === FRAME.call ? [frame[4]] : []))
  t.equal(Math.min(...credits), 4 * KIB)
  t.equal(dispatcher.budget.freeBytes, 40 * KIB)
})

const BREACHES: Record<string, (runner: ScriptedRunner, call: Received) => Promise<void>> = {
  'a body over its credit': async (runner, { frame, caller }) => {
    const id = frame[1]!
    const credit = frame[4] as number
    await runner.send(caller, [FRAME.head, id, 200, []], [FRAME.body, id, Buffer.alloc(credit + 1)])
  },
  'a body over its credit in pieces': async (runner, { frame, caller }) => {
    const id = frame[1]!
    const credit = frame[4] as number
    await runner.send(
      caller,
      [FRAME.head, id, 200, []],
      [FRAME.body, id, Buffer.alloc(credit)],
      [FRAME.body, id, Buffer.alloc(1)],
    )
  },
  'HEAD twice': async (runner, { frame, caller }) => {
    await runner.send(caller, [FRAME.head, frame[1]!, 200, []], [FRAME.head, frame[1]!, 200, []])
  },
  'BODY before HEAD': async (runner, { frame, caller }) => {
    await runner.send(caller, [FRAME.body, frame[1]!, Buffer.from('x')])
  },
}

for (const [name, breach] of Object.entries(BREACHES)) {
  t.test(`${name} ends that call with protocol_error, and a neighbour goes on`, async (t) => {
    const { call, runner, dispatcher, settled } = await startDispatcher(t)
    const echo = await runner({ slots: 2 })
    const [broken, neighbour] = [withoutReading(call()), call()]
    const first = await echo.next(FRAME.call)
    const second = await echo.next(FRAME.call)
    await breach(echo, first)
    t.equal(await broken.answer.over, 'error')
    t.equal(broken.answer.error?.code, 'protocol_error')
    t.equal((await echo.next(FRAME.cancel)).frame[1], first.frame[1], 'the runner is told to stop')
    t.equal(broken.invocation.state, 'settling', 'the slot is held until it has')
    call({ url: '/next' })
    await settled(echo)
    t.equal(echo.unread(FRAME.call).length, 0)
    await echo.send(second.caller, [FRAME.reply, second.frame[1], 200, [], Buffer.from('fine')])
    t.equal(await neighbour.answer.over, 'reply')
    t.equal(neighbour.answer.body.toString(), 'fine')
    await echo.send(first.caller, [FRAME.end, first.frame[1]])
    await until(() => broken.invocation.state === 'ended')
    t.match(dispatcher.status('echo').counters, { failed: 1, succeeded: 1 })
    t.same(broken.answer.late, [])
  })
}

const LAST_BREACHES: Record<string, (runner: ScriptedRunner, call: Received) => Promise<void>> = {
  'a REPLY over its credit': async (runner, { frame, caller }) => {
    const credit = frame[4] as number
    await runner.send(caller, [FRAME.reply, frame[1]!, 200, [], Buffer.alloc(credit + 1)])
  },
  'END before HEAD': async (runner, { frame, caller }) => {
    await runner.send(caller, [FRAME.end, frame[1]!])
  },
  'REPLY after HEAD': async (runner, { frame, caller }) => {
    await runner.send(
      caller,
      [FRAME.head, frame[1]!, 200, []],
      [FRAME.reply, frame[1]!, 200, [], EMPTY],
    )
  },
  'BUSY after HEAD': async (runner, { frame, caller }) => {
    await runner.send(
      caller,
      [FRAME.head, frame[1]!, 200, []],
      [FRAME.busy, frame[1]!],
      [FRAME.free, 1],
    )
  },
}

for (const [name, breach] of Object.entries(LAST_BREACHES)) {
  t.test(`${name} ends that call with protocol_error and frees its slot`, async (t) => {
    const { call, runner, dispatcher } = await startDispatcher(t)
    const echo = await runner()
    const { answer, invocation } = call()
    await breach(echo, await echo.next(FRAME.call))
    t.equal(await answer.over, 'error')
    t.equal(answer.error?.code, 'protocol_error')
    t.equal(invocation.state, 'ended')
    t.match(statusOf(dispatcher, echo), { inFlight: 0, state: 'isolated' })
    const other = await runner()
    call()
    await other.next(FRAME.call)
    t.match(dispatcher.status('echo').counters, { started: 2, failed: 1, inFlight: 1 })
  })
}

function withoutReading(call: Call): Call {
  call.answer.isConsuming = false
  return call
}

/** Answers the next CALL with HEAD, the body as its credit allows, and END. */
async function answerWith(runner: ScriptedRunner, body: Buffer): Promise<void> {
  const { frame, caller } = await runner.next(FRAME.call)
  const id = frame[1]
  let credit = frame[4]
  let at = 0
  let wake: (() => void) | null = null
  const before = runner.onFrame
  runner.onFrame = (received) => {
    before?.(received)
    if (received.frame[0] !== FRAME.credit || received.frame[1] !== id) return
    credit += received.frame[2]
    wake?.()
  }
  await runner.send(caller, [FRAME.head, id, 200, []])
  while (at < body.length) {
    const bytes = body.subarray(at, at + Math.min(credit, 256 * KIB))
    if (bytes.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      continue
    }
    credit -= bytes.length
    at += bytes.length
    await runner.send(caller, [FRAME.body, id, bytes])
  }
  await runner.send(caller, [FRAME.end, id])
}

/** The request body of the first CALL that a runner gets, as it arrives. */
class RequestOf {
  id = -1
  caller = ''
  hasEnded = false
  readonly #chunks: Buffer[] = []

  constructor(runner: ScriptedRunner) {
    for (const received of runner.received) this.onFrame(received)
    runner.onFrame = (received) => this.onFrame(received)
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  onFrame({ frame, caller }: Received): void {
    if (frame[0] === FRAME.call && this.id === -1) {
      this.id = frame[1]
      this.caller = caller
      if (frame[10] !== null) this.#chunks.push(Buffer.from(frame[10]))
      this.hasEnded = !frame[11]
    }
    if (frame[0] === FRAME.body && frame[1] === this.id) this.#chunks.push(Buffer.from(frame[2]))
    if (frame[0] === FRAME.end && frame[1] === this.id) this.hasEnded = true
  }
}

t.test('a client that takes its answer slowly is no pause of the function', async (t) => {
  // The kernel may hold more than it takes in all that time: no frame passes.
  const idleMs = 1_000
  const { call, runner } = await startDispatcher(t)
  const echo = await runner()
  const { invocation, answer } = call({ idleMs })
  const { frame, caller } = await echo.next(FRAME.call)
  const id = frame[1]
  await echo.send(caller, [FRAME.head, id, 200, []], [FRAME.body, id, Buffer.alloc(8_000)])
  await until(() => invocation.state === 'answering')
  for (let count = 0; count < 8; count++) {
    await delay(idleMs / 5)
    invocation.consumed(1_000)
  }
  t.equal(invocation.state, 'answering')
  await echo.send(caller, [FRAME.end, id])
  t.equal(await answer.over, 'end')
})
