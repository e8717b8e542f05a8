import t from 'tap'
import { Reply } from '../../runner/reply.js'
import type { Bus } from '../../shared/bus.js'
import { decodeFrames } from '../../shared/codec.js'
import { FRAME, type Frame } from '../../shared/frame.js'
import { Mailroom } from '../../shared/outbox.js'

t.test('small pieces of one turn are gathered, within what the server takes', async (t) => {
  const maxPayloadBytes = 2_000
  const sizes: number[] = []
  const frames: Frame[] = []
  const bus = {
    maxPayloadBytes,
    isConnected: true,
    send: ({ buffer, start, end }) => {
      sizes.push(end - start)
      decodeFrames(Buffer.from(buffer.subarray(start, end)), (frame) => frames.push(frame))
    },
  } as Partial<Bus> as Bus
  const reply = new Reply(new Mailroom(bus).outbox('to', 'from', false), 7, 1_000_000)
  reply.head(200, [])
  let expected = ''
  for (let index = 0; index < 300; index++) {
    const text = `${index} ${'x'.repeat((index * 37) % 900)}\n`
    t.equal(reply.write(Buffer.from(text)), null)
    expected += text
  }
  reply.end()
  await new Promise((resolve) => setTimeout(resolve, 0))
  await new Promise((resolve) => setImmediate(resolve))
  const bodies = frames.flatMap((frame) => (frame[0] === FRAME.body ? [frame[2]] : []))
  t.equal(Buffer.concat(bodies).toString(), expected)
  t.ok(bodies.length < 300, `${bodies.length} frames`)
  t.ok(Math.max(...sizes) <= maxPayloadBytes, `${Math.max(...sizes)} bytes`)
  t.equal(frames.at(-1)![0], FRAME.end)
})
