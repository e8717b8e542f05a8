// The reader of replies is there for speed only: whatever it is given, what comes out is what the general
// decoder would have read.

import t from 'tap'
import { encodeFrame } from '../../shared/codec.js'
import { FRAME, type Frame } from '../../shared/frame.js'
import { decoded, decodedGenerally } from './decoded.js'
import { seededRandom } from './seeded-random.js'

function reply(id: number, status: number, headers: string[], body: string): Buffer {
  return Buffer.from(encodeFrame([FRAME.reply, id, status, headers, Buffer.from(body)]))
}

const JSON_HEADERS = ['content-type', 'application/json']

t.test('replies of every size come back as they went, whatever their headers were before', (t) => {
  const messages = []
  const expected: unknown[] = []
  for (const id of [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    for (const headers of [JSON_HEADERS, [], ['x-e', 'ü'], JSON_HEADERS, ['x', 'y'.repeat(300)]]) {
      for (const bytes of [0, 1, 255, 256, 70_000]) {
        const body = 'b'.repeat(bytes)
        messages.push(reply(id, 200 + (id % 400), headers, body))
        expected.push([FRAME.reply, id, 200 + (id % 400), headers, body])
      }
    }
  }
  const frames = decoded(Buffer.concat(messages))
  if (frames === 'refused') return t.fail('refused')
  t.same(
    frames.map((frame) => [...frame.slice(0, 4), Buffer.from(frame[4] as Uint8Array).toString()]),
    expected,
  )
  t.end()
})

t.test('the array of a message may be used again for the next one', (t) => {
  const array = Buffer.from(reply(1, 200, ['x-a', 'first'], 'b'))
  t.same((decoded(array) as Frame[])[0]![3], ['x-a', 'first'])
  array.set(reply(1, 200, ['x-b', 'other'], 'b'))
  t.same((decoded(array) as Frame[])[0]![3], ['x-b', 'other'])
  t.end()
})

t.test('replies among other frames keep their order', (t) => {
  const message = Buffer.concat([
    reply(1, 200, JSON_HEADERS, 'a'),
    Buffer.from(encodeFrame([FRAME.free, 3])),
    reply(2, 201, JSON_HEADERS, 'b'),
    Buffer.from(encodeFrame([FRAME.end, 4])),
  ])
  const frames = decoded(message)
  t.same(frames === 'refused' ? frames : frames.map(([type]) => type), [
    FRAME.reply,
    FRAME.free,
    FRAME.reply,
    FRAME.end,
  ])
  t.end()
})

t.test('a reply that breaks off anywhere is refused', (t) => {
  const whole = reply(300, 200, JSON_HEADERS, 'body')
  for (let length = 1; length < whole.length; length++) {
    if (decoded(whole.subarray(0, length)) !== 'refused') t.fail(`${length} bytes`)
  }
  t.end()
})

t.test('bytes that were changed are read as the general decoder reads them', (t) => {
  const random = seededRandom(7)
  const headers = [JSON_HEADERS, [], ['a', 'b', 'c', 'd']]
  let refused = 0
  for (let round = 0; round < 20_000; round++) {
    const message = Buffer.concat([
      reply(random.next() < 0.5 ? 5 : 70_000, 200, random.pick(headers), 'some text'),
      reply(6, 404, random.pick(headers), ''),
    ])
    message[Math.floor(random.next() * message.length)] = Math.floor(random.next() * 256)
    const expected = decodedGenerally(message)
    const found = decoded(message)
    if (expected === 'refused') refused++
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      return t.fail(message.toString('hex'))
    }
  }
  t.ok(refused > 1_000 && refused < 19_000, `${refused} of them were refused`)
  t.end()
})
