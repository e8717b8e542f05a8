import t, { type Test } from 'tap'
import { FunctionSocket } from '../../runner/function-socket.js'
import type { Bus } from '../../shared/bus.js'
import { decodeFrames } from '../../shared/codec.js'
import { CreditBudget } from '../../shared/credit.js'
import {
  FRAME,
  type Frame,
  INITIAL_BODY_CREDIT_BYTES,
  MESSAGE_COST_BYTES,
  MESSAGE_LAST,
  MESSAGE_TEXT,
} from '../../shared/frame.js'
import { Mailroom } from '../../shared/outbox.js'

const ID = 7
const BUDGET_BYTES = 8 * 1024 * 1024
const TEXT = MESSAGE_TEXT | MESSAGE_LAST

interface Setup {
  readonly socket: FunctionSocket
  readonly budget: CreditBudget
  /** What has been sent until now, of one kind or all. */
  frames(...types: number[]): Frame[]
}

function open(
  _t: Test,
  { protocols = [] as string[], creditBytes = 64 * 1024, maxMessageBytes = 1024 * 1024 } = {},
): Setup {
  const sent: Frame[] = []
  const bus = {
    maxPayloadBytes: 1024 * 1024,
    isConnected: true,
    send: ({ buffer, start, end }) => {
      decodeFrames(Buffer.from(buffer.subarray(start, end)), (frame) => sent.push(frame))
    },
  } as Partial<Bus> as Bus
  const mailroom = new Mailroom(bus)
  const budget = new CreditBudget(BUDGET_BYTES)
  const socket = new FunctionSocket({
    outbox: mailroom.outbox('to', 'from', false),
    id: ID,
    replyCreditBytes: creditBytes,
    budget,
    maxMessageBytes,
    protocols,
  })
  return {
    socket,
    budget,
    frames(...types) {
      mailroom.flush()
      return types.length === 0 ? sent : sent.filter(([type]) => types.includes(type))
    },
  }
}

async function settles(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  const turn = new Promise<'pending'>((resolve) => setImmediate(resolve, 'pending'))
  const settled = promise.then(
    () => 'resolved' as const,
    () => 'rejected' as const,
  )
  return Promise.race([settled, turn])
}

t.test('the first of what the function does takes the connection, once', async (t) => {
  const ways: ((socket: FunctionSocket) => unknown)[] = [
    (socket) => socket.accept(),
    (socket) => socket.send('x'),
    (socket) => socket.close(),
    (socket) => void socket[Symbol.asyncIterator]().next(),
  ]
  for (const way of ways) {
    const { socket, frames } = open(t)
    t.notOk(socket.isAccepted)
    way(socket)
    t.ok(socket.isAccepted)
    way(socket)
    socket.accept()
    t.same(frames(FRAME.accept), [[FRAME.accept, ID, null]])
    t.equal(frames()[0]![0], FRAME.accept, 'before anything else')
  }
})

t.test('the subprotocol: the first, or the one that the function chooses', async (t) => {
  const first = open(t, { protocols: ['a', 'b'] })
  first.socket.accept()
  t.same(first.frames(), [[FRAME.accept, ID, 'a']])
  const second = open(t, { protocols: ['a', 'b'] })
  second.socket.accept('b')
  t.same(second.frames(), [[FRAME.accept, ID, 'b']])
  const third = open(t, { protocols: ['a', 'b'] })
  t.throws(() => third.socket.accept('c'), TypeError)
  t.notOk(third.socket.isAccepted)
})

t.test('messages are read in order, pieces put together', async (t) => {
  const { socket } = open(t)
  const messages = socket[Symbol.asyncIterator]()
  const first = messages.next()
  t.ok(socket.onMessage(TEXT, Buffer.from('one')))
  t.ok(socket.onMessage(0, Buffer.of(1)))
  t.ok(socket.onMessage(0, Buffer.of(2)))
  t.ok(socket.onMessage(MESSAGE_LAST, Buffer.of(3)))
  t.ok(socket.onMessage(MESSAGE_TEXT, Buffer.from('ä').subarray(0, 1)))
  t.ok(socket.onMessage(TEXT, Buffer.from('ä').subarray(1)))
  t.ok(socket.onMessage(TEXT, Buffer.alloc(0)))
  t.equal((await first).value, 'one')
  t.same((await messages.next()).value, Buffer.of(1, 2, 3))
  t.equal((await messages.next()).value, 'ä')
  t.equal((await messages.next()).value, '')
  t.equal(await settles(messages.next()), 'pending')
})

t.test('what the protocol does not allow is told', async (t) => {
  const early = open(t)
  t.notOk(early.socket.onMessage(TEXT, Buffer.from('x')), 'before ACCEPT')
  const beyond = open(t)
  beyond.socket.accept()
  const most = INITIAL_BODY_CREDIT_BYTES - MESSAGE_COST_BYTES
  t.ok(beyond.socket.onMessage(MESSAGE_LAST, Buffer.alloc(most)))
  t.notOk(beyond.socket.onMessage(MESSAGE_LAST, Buffer.alloc(0)), 'beyond the credit')
  const large = open(t, { maxMessageBytes: 10 })
  large.socket.accept()
  t.ok(large.socket.onMessage(MESSAGE_LAST, Buffer.alloc(10)))
  t.ok(large.socket.onMessage(0, Buffer.alloc(10)))
  t.notOk(large.socket.onMessage(MESSAGE_LAST, Buffer.alloc(1)), 'beyond the largest message')
})

t.test('credit comes back when the function has taken a message, not before', async (t) => {
  const { socket, frames } = open(t)
  socket.accept()
  const bytes = Buffer.alloc(30_000)
  socket.onMessage(MESSAGE_LAST, bytes)
  socket.onMessage(MESSAGE_LAST, bytes)
  t.same(frames(FRAME.credit), [])
  const messages = socket[Symbol.asyncIterator]()
  await messages.next()
  await messages.next()
  const granted = frames(FRAME.credit).reduce((sum, frame) => sum + Number(frame[2]), 0)
  t.ok(granted >= 2 * (bytes.length + MESSAGE_COST_BYTES), `${granted} bytes granted`)
})

t.test('a message larger than any window gets through', async (t) => {
  const { socket, frames } = open(t, { maxMessageBytes: 16 * 1024 * 1024 })
  const next = socket[Symbol.asyncIterator]().next()
  const wanted = 10 * 1024 * 1024
  let creditBytes = INITIAL_BODY_CREDIT_BYTES
  let grants = 0
  for (let sent = 0; sent < wanted; ) {
    const piece = Math.min(wanted - sent, creditBytes - MESSAGE_COST_BYTES, 256 * 1024)
    if (piece <= 0) return t.fail('no credit is left')
    creditBytes -= piece + MESSAGE_COST_BYTES
    sent += piece
    t.ok(socket.onMessage(sent === wanted ? MESSAGE_LAST : 0, Buffer.alloc(piece)))
    const all = frames(FRAME.credit)
    for (const frame of all.slice(grants)) creditBytes += Number(frame[2])
    grants = all.length
  }
  t.equal(((await next).value as Uint8Array).length, wanted)
})

t.test('send resolves when there is room, and in order', async (t) => {
  const { socket, frames } = open(t, { creditBytes: 100 })
  const first = socket.send('x'.repeat(60))
  t.equal(await settles(first), 'resolved')
  const second = socket.send('y'.repeat(60))
  const third = socket.send('z')
  t.equal(await settles(second), 'pending')
  t.equal(await settles(third), 'pending')
  socket.onCredit(1_000)
  t.equal(await settles(second), 'resolved')
  t.equal(await settles(third), 'resolved')
  const text = frames(FRAME.message)
    .map((frame) => Buffer.from(frame[3] as Uint8Array).toString())
    .join('')
  t.equal(text, `${'x'.repeat(60)}${'y'.repeat(60)}z`)
})

t.test('close comes behind everything that was sent before it', async (t) => {
  // CLOSE overtook what still waited for credit, and the messages followed a closed connection.
  const { socket, frames } = open(t, { creditBytes: 100 })
  void socket.send('x'.repeat(200)).catch(() => {})
  socket.close(4000, 'bye')
  socket.onCredit(10_000)
  const types = frames().map(([type]) => type)
  t.equal(types.at(-1), FRAME.close)
  t.equal(types.filter((type) => type === FRAME.close).length, 1)
  const bytes = frames(FRAME.message).reduce((sum, frame) => sum + (frame[3] as Buffer).length, 0)
  t.equal(bytes, 200)
})

t.test('what may not be sent is refused, and the connection stays', async (t) => {
  const { socket, frames } = open(t, { maxMessageBytes: 10 })
  await t.rejects(socket.send('x'.repeat(11)), RangeError)
  await t.rejects(socket.send('ä'.repeat(6)), RangeError, 'bytes are counted, not characters')
  t.throws(() => socket.close(1006), RangeError)
  t.throws(() => socket.close(1000, 'ä'.repeat(62)), RangeError)
  await socket.send('x'.repeat(10))
  t.same(frames(FRAME.close), [])
})

t.test('after a close of its own, send fails and the iteration ends', async (t) => {
  const { socket, frames } = open(t)
  const next = socket[Symbol.asyncIterator]().next()
  socket.close(4000, 'bye')
  t.same(await next, { done: true, value: undefined })
  t.match({ code: socket.closeCode, reason: socket.closeReason }, { code: 4000, reason: 'bye' })
  await t.rejects(socket.send('x'))
  socket.close(4001)
  t.same(frames(FRAME.close), [[FRAME.close, ID, 4000, 'bye']], 'the first one counts')
})

t.test("after the client's close, what it had said is read, then the iteration ends", async (t) => {
  const { socket, frames } = open(t)
  const messages = socket[Symbol.asyncIterator]()
  socket.accept()
  socket.onMessage(TEXT, Buffer.from('one'))
  socket.onClose(4001, 'enough')
  t.match({ code: socket.closeCode, reason: socket.closeReason }, { code: 4001, reason: 'enough' })
  t.equal((await messages.next()).value, 'one')
  const last = messages.next()
  t.equal(await settles(last), 'pending', 'more of it may be on its way')
  t.ok(socket.onMessage(TEXT, Buffer.from('two')))
  t.equal((await last).value, 'two')
  socket.onEnd()
  t.ok((await messages.next()).done)
  await t.rejects(socket.send('x'))
  socket.close(1000)
  t.same(frames(FRAME.close), [], 'nobody is there to be told')
})

t.test('a reader that waits hears of the end', async (t) => {
  const left = open(t)
  const ended = left.socket[Symbol.asyncIterator]().next()
  left.socket.onClose(1006, '')
  left.socket.onEnd()
  t.ok((await ended).done)
  const failed = open(t)
  const broken = failed.socket[Symbol.asyncIterator]().next()
  failed.socket.fail(new Error('time is up'))
  await t.rejects(broken, { message: 'time is up' })
  await t.rejects(failed.socket.send('x'), { message: 'time is up' })
})

t.test('a sender that waits hears of the end', async (t) => {
  for (const end of [
    (socket: FunctionSocket) => socket.fail(new Error('time is up')),
    // It resolved, as if the message had been sent.
    (socket: FunctionSocket) => socket.onClose(1006, ''),
  ]) {
    const { socket } = open(t, { creditBytes: 0 })
    const sending = socket.send('x')
    t.equal(await settles(sending), 'pending')
    end(socket)
    t.equal(await settles(sending), 'rejected')
  }
})

t.test('a send that nobody waits for is no rejection that nobody handles', async (t) => {
  // It ended the whole runner, when a client left in the right moment.
  const { socket } = open(t, { creditBytes: 0 })
  void socket.send('waits for credit')
  socket.onClose(1006, '')
  void socket.send('comes too late')
  socket.fail(new Error('time is up'))
  void socket.send('comes later still')
  // By then Node has told tap of every rejection that nobody handles, which fails the test.
  await new Promise((resolve) => setImmediate(resolve))
  await t.rejects(socket.send('x'), { message: 'time is up' }, 'who waits hears of it')
})

t.test('everything is given back to the budget', async (t) => {
  const { socket, budget } = open(t)
  t.equal(budget.freeBytes, BUDGET_BYTES - INITIAL_BODY_CREDIT_BYTES)
  socket.accept()
  socket.onMessage(MESSAGE_LAST, Buffer.alloc(1000))
  socket.onMessage(0, Buffer.alloc(1000))
  socket.dispose()
  t.equal(budget.freeBytes, BUDGET_BYTES)
  socket.dispose()
  t.equal(budget.freeBytes, BUDGET_BYTES)
})

t.test('finish closes with 1000 what the function left open, and ends', async (t) => {
  const left = open(t)
  await left.socket.finish()
  t.same(left.frames(), [
    [FRAME.accept, ID, null],
    [FRAME.close, ID, 1000, ''],
    [FRAME.end, ID],
  ])
  const closed = open(t)
  closed.socket.close(4000, 'bye')
  await closed.socket.finish()
  t.same(closed.frames(FRAME.close, FRAME.end), [
    [FRAME.close, ID, 4000, 'bye'],
    [FRAME.end, ID],
  ])
})

t.test('and what it sent without waiting goes before', async (t) => {
  const { socket, frames } = open(t, { creditBytes: 100 })
  void socket.send('x'.repeat(200)).catch(() => {})
  const finished = socket.finish()
  t.equal(await settles(finished), 'pending')
  socket.onCredit(10_000)
  await finished
  const types = frames().map(([type]) => type)
  t.same(types.slice(-2), [FRAME.close, FRAME.end])
  const bytes = frames(FRAME.message).reduce((sum, frame) => sum + (frame[3] as Buffer).length, 0)
  t.equal(bytes, 200)
})
