import t from 'tap'
import { Reply } from '../../runner/reply.js'
import type { Bus } from '../../shared/bus.js'
import { decodeFrames } from '../../shared/codec.js'
import { FRAME, type Frame } from '../../shared/frame.js'
import { Mailroom } from '../../shared/outbox.js'

const MAX_PAYLOAD_BYTES = 2_000

/** A Reply with so much credit, and what it has sent when the turn is over. */
function replyOf(creditBytes: number) {
  const sizes: number[] = []
  const frames: Frame[] = []
  const kernel: { isFull: boolean; drained: (() => void) | null } = { isFull: false, drained: null }
  const bus = {
    maxPayloadBytes: MAX_PAYLOAD_BYTES,
    isConnected: true,
    get isCongested() {
      return kernel.isFull
    },
    onceDrained: (listener) => {
      kernel.drained = listener
    },
    send: ({ buffer, start, end }) => {
      sizes.push(end - start)
      decodeFrames(Buffer.from(buffer.subarray(start, end)), (frame) => frames.push(frame))
    },
  } as Partial<Bus> as Bus
  const reply = new Reply(new Mailroom(bus).outbox('to', 'from', false), 7, creditBytes)
  const bodies = () => frames.flatMap((frame) => (frame[0] === FRAME.body ? [frame[2]] : []))
  return { reply, sizes, frames, bodies, kernel }
}

async function turnIsOver(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0))
  await new Promise((resolve) => setImmediate(resolve))
}

t.test('small pieces of one turn are gathered, within what the server takes', async (t) => {
  const writers = {
    bytes: (reply: Reply, text: string) => reply.write(Buffer.from(text)),
    text: (reply: Reply, text: string) => reply.writeText(text),
    both: (reply: Reply, text: string) =>
      text.length % 2 === 0 ? reply.write(Buffer.from(text)) : reply.writeText(text),
  }
  for (const [name, write] of Object.entries(writers)) {
    const { reply, sizes, frames, bodies } = replyOf(1_000_000)
    reply.head(200, [])
    let expected = ''
    for (let index = 0; index < 300; index++) {
      const text = `${index} ${'x'.repeat((index * 37) % 900)}ä\n`
      t.equal(write(reply, text), null, name)
      expected += text
    }
    reply.end()
    await turnIsOver()
    t.equal(Buffer.concat(bodies()).toString(), expected, name)
    if (name !== 'both') t.ok(bodies().length < 300, `${bodies().length} frames`)
    t.ok(Math.max(...sizes) <= MAX_PAYLOAD_BYTES, `${Math.max(...sizes)} bytes`)
    t.equal(frames.at(-1)![0], FRAME.end)
  }
})

t.test('text of several bytes a letter takes no more credit than there is', async (t) => {
  const { reply, bodies } = replyOf(100)
  const sent = () => Buffer.concat(bodies()).toString()
  reply.head(200, [])
  // Of one, two, three and four bytes: what is gathered takes the credit for all of its bytes.
  const text = 'aä€😀'.repeat(4)
  t.equal(reply.writeText(text), null)
  t.equal(reply.writeText(text), null)
  const third = reply.writeText(text)
  t.not(third, null, 'waits')
  await turnIsOver()
  t.equal(Buffer.concat(bodies()).length, 100)
  reply.grant(1_000)
  await third
  t.equal(reply.writeText('end'), null)
  reply.end()
  await turnIsOver()
  t.equal(sent(), `${text.repeat(3)}end`)
})

t.test('text after a failure is refused, as bytes are', async (t) => {
  const { reply } = replyOf(100)
  reply.head(200, [])
  reply.fail(new Error('gone'))
  t.throws(() => reply.writeText('a'), { message: 'gone' })
})

t.test('a large piece waits until the connection has room', async (t) => {
  const { reply, bodies, kernel } = replyOf(1_000_000)
  reply.head(200, [])
  kernel.isFull = true
  t.equal(reply.write(Buffer.from('a small one goes on')), null)
  const large = reply.write(Buffer.alloc(5_000, 'x'))
  t.not(large, null)
  await turnIsOver()
  t.equal(Buffer.concat(bodies()).toString(), 'a small one goes on')
  reply.grant(1)
  await turnIsOver()
  t.equal(bodies().length, 1, 'more credit is no room')
  kernel.isFull = false
  kernel.drained!()
  await large
  reply.end()
  await turnIsOver()
  t.equal(Buffer.concat(bodies()).toString(), `a small one goes on${'x'.repeat(5_000)}`)
})
