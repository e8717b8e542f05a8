import t, { type Test } from 'tap'
import { decodeFrames } from '../../shared/codec.js'
import { type Frame, MAX_CHUNK_BYTES } from '../../shared/frame.js'
import type { NatsBus } from '../../shared/nats.js'
import { Mailroom, type Outbox } from '../../shared/outbox.js'
import { subjectsIn } from '../../shared/subjects.js'
import { startCuttableProxy } from '../support/cuttable-proxy.js'
import { startTestNats } from '../support/nats.js'
import { type Random, seededRandom } from './seeded-random.js'
import { openTestBus, until } from './test-bus.js'

const MAX_MESSAGE_BYTES = 257 * 1024
const subjects = subjectsIn('callgate')

t.test('frames of one turn arrive as one message, in order', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  const frames: Frame[] = []
  for (let id = 1; id <= 300; id++) {
    const frame: Frame = id % 3 === 0 ? [2, id, Buffer.alloc(id, id)] : [3, id]
    frames.push(frame)
    if (frame[0] === 2) outbox.sendBody(id, frame[2])
    else outbox.send(frame)
  }
  await until(() => heard('r1').length > 0)
  t.equal(heard('r1').length, 1)
  t.same(heard('r1')[0]!.frames, frames)
})

t.test('a message that grows beyond the first buffer is still one message', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  const bytes = seededRandom(1).bytes(10_000)
  for (let id = 1; id <= 20; id++) outbox.sendBody(id, bytes)
  await until(() => heard('r1').length > 0)
  t.equal(heard('r1').length, 1)
  t.same(
    heard('r1')[0]!.frames,
    Array.from({ length: 20 }, (_, index) => [2, index + 1, bytes]),
  )
})

t.test('several pieces are one frame', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  const pieces = [0, 1, 255, 70_000].map((length) => seededRandom(3).bytes(length))
  outbox.sendPieces(7, pieces, 70_256)
  await until(() => heard('r1').length === 1)
  t.same(heard('r1')[0]!.frames, [[2, 7, Buffer.concat(pieces)]])
})

t.test('who gathers is asked once, before the message leaves', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  let asked = 0
  outbox.askBeforeFlush({
    sendGathered() {
      asked++
      outbox.send([3, 2])
    },
  })
  outbox.send([3, 1])
  await until(() => heard('r1').length === 1)
  t.same(heard('r1')[0]!.frames, [
    [3, 1],
    [3, 2],
  ])
  outbox.send([3, 3])
  await until(() => heard('r1').length === 2)
  t.equal(asked, 1)
})

t.test('frames of two turns are two messages', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  outbox.send([3, 1])
  await new Promise((resolve) => setImmediate(resolve))
  outbox.send([3, 2])
  await until(() => heard('r1').length === 2)
  t.same(
    heard('r1').map(({ frames }) => frames),
    [[[3, 1]], [[3, 2]]],
  )
})

t.test('each peer gets its own frames', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const [one, two] = [outboxTo(mailroom, 'r1'), outboxTo(mailroom, 'r2')]
  one.send([3, 1])
  two.send([3, 2])
  one.send([3, 3])
  await until(() => heard('r1').length > 0 && heard('r2').length > 0)
  t.same(
    heard('r1').flatMap(({ frames }) => frames),
    [
      [3, 1],
      [3, 3],
    ],
  )
  t.same(
    heard('r2').flatMap(({ frames }) => frames),
    [[3, 2]],
  )
})

t.test('a flush does not wait for the end of the turn, and nothing is sent twice', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  outbox.send([3, 1])
  mailroom.flush()
  outbox.send([3, 2])
  outbox.flush()
  mailroom.flush()
  outbox.send([3, 3])
  await until(() => heard('r1').length === 3)
  t.same(
    heard('r1').flatMap(({ frames }) => frames),
    [
      [3, 1],
      [3, 2],
      [3, 3],
    ],
  )
})

t.test(
  'no message is larger than the bound, and what does not fit goes into the next',
  async (t) => {
    const { mailroom, heard } = await startPeers(t)
    const outbox = outboxTo(mailroom, 'r1')
    const random = seededRandom(2)
    const sent: Frame[] = []
    let sentBytes = 0
    while (sentBytes < 6 * 1024 * 1024) {
      const length = random.pick([
        1,
        200,
        5_000,
        16_384,
        65_536,
        MAX_CHUNK_BYTES - 1,
        MAX_CHUNK_BYTES,
      ])
      const bytes = Buffer.alloc(length, random.int(0, 255))
      sent.push([2, sent.length, bytes])
      outbox.sendBody(sent.length - 1, bytes)
      sentBytes += length
    }
    await until(() => framesOf(heard('r1')).length === sent.length)
    t.equal(firstDifference(framesOf(heard('r1')), sent), null)
    const largest = Math.max(...heard('r1').map(({ bytes }) => bytes))
    t.ok(largest <= MAX_MESSAGE_BYTES, `the largest has ${largest} bytes`)
    t.ok(heard('r1').length < sent.length, 'and small ones share one')
  },
)

t.test('frames other than BODY keep to the bound as well', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  const headers = Array.from({ length: 60 }, (_, index) => `${index}`.padEnd(1_000, 'x'))
  for (let id = 1; id <= 20; id++) outbox.send([10, id, 200, headers])
  await until(() => framesOf(heard('r1')).length === 20)
  for (const { bytes } of heard('r1')) t.ok(bytes <= MAX_MESSAGE_BYTES, `${bytes} bytes`)
})

t.test('a server with a small bound is not sent more than it takes', async (t) => {
  const maxPayloadBytes = 20_000
  const { mailroom, heard } = await startPeers(t, { maxPayloadBytes })
  const outbox = outboxTo(mailroom, 'r1')
  const random = seededRandom(3)
  const sent: Frame[] = []
  for (let id = 0; id < 200; id++) {
    const bytes = random.bytes(random.int(0, mailroom.maxChunkBytes))
    sent.push([2, id, bytes])
    outbox.sendBody(id, bytes)
  }
  await until(() => framesOf(heard('r1')).length === sent.length)
  t.equal(firstDifference(framesOf(heard('r1')), sent), null)
  for (const { bytes } of heard('r1')) if (bytes > maxPayloadBytes) t.fail(`${bytes} bytes`)
})

t.test('a frame that no message can hold is not sent, and its neighbours are', async (t) => {
  const { mailroom, heard } = await startPeers(t, { maxPayloadBytes: 20_000 })
  const outbox = outboxTo(mailroom, 'r1')
  t.ok(outbox.send([3, 1]))
  t.notOk(outbox.send([10, 2, 200, ['a', 'x'.repeat(20_000)]]))
  t.ok(outbox.send([3, 3]))
  await until(() => heard('r1').length > 0)
  t.same(framesOf(heard('r1')), [
    [3, 1],
    [3, 3],
  ])
})

t.test('a body may be overwritten as soon as it was handed in', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  const bytes = Buffer.alloc(1_000)
  for (let id = 0; id < 200; id++) outbox.sendBody(id, bytes.fill(id))
  bytes.fill(0xff)
  await until(() => framesOf(heard('r1')).length === 200)
  const wanted = Array.from({ length: 200 }, (_, id): Frame => [2, id, Buffer.alloc(1_000, id)])
  t.equal(firstDifference(framesOf(heard('r1')), wanted), null)
})

t.test(
  'every byte of 2,000 bodies arrives intact, over many turns and several peers',
  async (t) => {
    const { mailroom, heard } = await startPeers(t)
    const random = seededRandom(4)
    const peers = ['r1', 'r2', 'r3', 'r4', 'r5'].map((name) => ({
      name,
      outbox: outboxTo(mailroom, name),
      sent: [] as Frame[],
    }))
    const scratch = Buffer.alloc(MAX_CHUNK_BYTES)
    for (let count = 0; count < 2_000; count++) {
      const { outbox, sent } = random.pick(peers)
      const length = random.pick([0, 10, 300, 3_000, 17_000, 40_000])
      const bytes = patternOf(random, length)
      sent.push([2, sent.length, bytes])
      scratch.set(bytes)
      outbox.sendBody(sent.length - 1, scratch.subarray(0, length))
      const dice = random.next()
      if (dice < 0.1) await new Promise((resolve) => setImmediate(resolve))
      else if (dice < 0.3) await Promise.resolve()
      else if (dice < 0.35) mailroom.flush()
    }
    for (const { name, sent } of peers) {
      await until(() => framesOf(heard(name)).length === sent.length)
      t.equal(
        firstDifference(framesOf(heard(name)), sent),
        null,
        `${sent.length} bodies for ${name}`,
      )
    }
  },
)

t.test('bodies that many writers send from microtasks of every depth arrive intact', async (t) => {
  // A generator's writes run in microtasks, between the one in which the client library copies what was
  // published and the one in which a staging buffer is free again: where a buffer is reused too early,
  // one client reads another's bytes.
  const { mailroom, heard } = await startPeers(t)
  const sentBy = new Map<string, Frame[]>()
  const writers = Array.from({ length: 12 }, async (_, writer) => {
    const random = seededRandom(100 + writer)
    const name = `w${writer}`
    const outbox = outboxTo(mailroom, name)
    const sent: Frame[] = []
    sentBy.set(name, sent)
    for (let count = 0; count < 150; count++) {
      const bytes = patternOf(random, random.pick([100, 3_000, 9_000, 17_000, 40_000]))
      sent.push([2, count, bytes])
      outbox.sendBody(count, bytes)
      for (let depth = random.int(0, 6); depth > 0; depth--) await Promise.resolve()
      if (random.next() < 0.4) outbox.flush()
      if (random.next() < 0.05) await new Promise((resolve) => setImmediate(resolve))
    }
  })
  await Promise.all(writers)
  for (const [name, sent] of sentBy) {
    await until(() => framesOf(heard(name)).length === sent.length)
    t.equal(firstDifference(framesOf(heard(name)), sent), null, name)
  }
})

t.test('"no responders" carries the number of the message', async (t) => {
  const bus = await openTestBus(t, (await startTestNats(t)).url)
  const mailroom = new Mailroom(bus)
  const numbers: number[] = []
  bus.subscribe(subjects.callerInbox('me'), (message) => {
    t.ok(message.noResponders)
    t.equal(subjects.sender(message.subject), 'nobody')
    numbers.push(subjects.messageNumber(message.subject))
  })
  await bus.flush()
  const outbox = mailroom.outbox(
    subjects.toRunner('nobody', 'me'),
    subjects.toCaller('me', 'nobody'),
    true,
  )
  for (let number = 0; number < 3; number++) {
    t.equal(outbox.messageNumber, number)
    outbox.send([6])
    outbox.send([6])
    mailroom.flush()
  }
  await until(() => numbers.length === 3)
  t.same(numbers, [0, 1, 2])
})

t.test('a runner hears on its inbox that a caller is gone', async (t) => {
  const bus = await openTestBus(t, (await startTestNats(t)).url)
  const mailroom = new Mailroom(bus)
  let gone = ''
  bus.subscribe(subjects.runnerInbox('me'), (message) => {
    if (message.noResponders) gone = subjects.sender(message.subject)
  })
  await bus.flush()
  const outbox = mailroom.outbox(
    subjects.toCaller('nobody', 'me'),
    subjects.toRunner('me', 'nobody'),
    false,
  )
  outbox.send([6])
  mailroom.flush()
  await bus.flush()
  await bus.flush()
  t.equal(gone, 'nobody')
})

t.test('a message numbers on after the largest turn', async (t) => {
  const { mailroom, heard } = await startPeers(t)
  const outbox = outboxTo(mailroom, 'r1')
  const bytes = Buffer.alloc(200_000)
  for (let id = 0; id < 10; id++) outbox.sendBody(id, bytes)
  await until(() => framesOf(heard('r1')).length === 10)
  t.same(
    heard('r1').map(({ message }) => message),
    heard('r1').map((_, index) => index),
  )
})

t.test(
  'nothing is published while the connection is lost, and nothing of it comes later',
  async (t) => {
    const { url } = await startTestNats(t)
    const proxy = await startCuttableProxy(t, url)
    const bus = await openTestBus(t, proxy.url)
    const mailroom = new Mailroom(bus)
    const heard = await listen(t, url)
    const outbox = outboxTo(mailroom, 'r1')
    outbox.send([3, 1])
    await until(() => heard('r1').length === 1)
    proxy.cut()
    await until(() => !bus.isConnected)
    for (let id = 2; id < 100; id++) {
      outbox.send([3, id])
      outbox.sendBody(id, Buffer.alloc(10_000))
      if (id % 10 === 0) mailroom.flush()
    }
    await new Promise((resolve) => setImmediate(resolve))
    proxy.mend()
    await until(() => bus.isConnected)
    outbox.send([3, 100])
    await until(() => heard('r1').length === 2)
    t.same(framesOf(heard('r1')), [
      [3, 1],
      [3, 100],
    ])
  },
)

t.test('a connection that takes no more tells who waits when it does again, in turn', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const mailroom = new Mailroom(await openTestBus(t, proxy.url))
  const heard = await listen(t, url)
  const outbox = outboxTo(mailroom, 'r1')
  t.ok(outbox.hasRoom)
  proxy.stopUp()
  const sent = fill(outbox)
  const told: string[] = []
  const eager = {
    onRoom() {
      told.push('eager')
      if (told.length === 1) {
        sent.push(...fill(outbox))
        outbox.waitForRoom(eager)
      }
    },
  }
  outbox.waitForRoom(eager)
  outbox.waitForRoom({ onRoom: () => void told.push('other') })
  outbox.waitForRoom(eager)
  t.same(told, [])
  proxy.mend()
  await until(() => told.length === 3)
  t.same(told, ['eager', 'other', 'eager'], 'who fills it again is the last in the line')
  await until(() => framesOf(heard('r1')).length === sent.length)
  t.equal(firstDifference(framesOf(heard('r1')), sent), null)
})

t.test('who waits for room hears also when the connection is lost', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const mailroom = new Mailroom(await openTestBus(t, proxy.url))
  const outbox = outboxTo(mailroom, 'r1')
  proxy.stopUp()
  fill(outbox)
  const told = new Promise<boolean>((resolve) => {
    outbox.waitForRoom({ onRoom: () => resolve(outbox.hasRoom) })
  })
  proxy.cut()
  t.ok(await told, 'and there is room: what is sent now is dropped')
})

/** Sends until there is no room. */
function fill(outbox: Outbox): Frame[] {
  const bytes = seededRandom(5).bytes(MAX_CHUNK_BYTES)
  const frames: Frame[] = []
  while (outbox.hasRoom) {
    const id = frames.length + 1
    outbox.sendBody(id, bytes)
    frames.push([2, id, bytes])
  }
  return frames
}

interface Heard {
  readonly frames: readonly Frame[]
  readonly bytes: number
  /** The message's number, out of its reply-to. */
  readonly message: number
}

async function startPeers(
  t: Test,
  options: { maxPayloadBytes?: number } = {},
): Promise<{ bus: NatsBus; mailroom: Mailroom; heard: (runner: string) => Heard[] }> {
  const { url } = await startTestNats(t, options)
  const bus = await openTestBus(t, url)
  return { bus, mailroom: new Mailroom(bus), heard: await listen(t, url) }
}

/** What was sent to each runner, by name. */
async function listen(t: Test, url: string): Promise<(runner: string) => Heard[]> {
  const { connection } = await openTestBus(t, url)
  const byRunner = new Map<string, Heard[]>()
  const heard = (runner: string) => {
    let messages = byRunner.get(runner)
    if (messages === undefined) {
      messages = []
      byRunner.set(runner, messages)
    }
    return messages
  }
  connection.subscribe('callgate.runner.>', {
    callback: (_error, message) => {
      const frames: Frame[] = []
      // A copy: the views of the frames would keep changing hands with the client library's buffer.
      decodeFrames(Buffer.from(message.data), (frame) => frames.push(frame))
      heard(message.subject.split('.')[2]!).push({
        frames,
        bytes: message.data.length,
        message: subjects.messageNumber(message.reply ?? ''),
      })
    },
  })
  await connection.flush()
  return heard
}

function outboxTo(mailroom: Mailroom, runner: string): Outbox {
  return mailroom.outbox(subjects.toRunner(runner, 'me'), subjects.toCaller('me', runner), true)
}

function framesOf(messages: readonly Heard[]): Frame[] {
  return messages.flatMap(({ frames }) => frames)
}

/** Content that no other body has, made faster than byte by byte. */
function patternOf(random: Random, length: number): Buffer {
  return Buffer.alloc(length, random.bytes(random.int(4, 64)))
}

function firstDifference(heard: readonly Frame[], sent: readonly Frame[]): string | null {
  if (heard.length !== sent.length) return `${heard.length} frames, not ${sent.length}`
  for (const [index, frame] of sent.entries()) {
    const other = heard[index]!
    if (other[0] !== frame[0] || other[1] !== frame[1]) return `frame ${index} is another one`
    if (frame[0] !== 2 || other[0] !== 2) continue
    if (!Buffer.from(other[2]).equals(frame[2])) return `the bytes of frame ${index} differ`
  }
  return null
}
