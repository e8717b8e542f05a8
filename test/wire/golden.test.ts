import { Unpackr } from 'msgpackr'
import t from 'tap'
import {
  decodeFrames,
  encodeFrame,
  PAYLOAD_HEADER_BYTES,
  writeBodyHeader,
  writeMessageHeader,
} from '../../shared/codec.js'
import { type CallFrame, FRAME, type Frame } from '../../shared/frame.js'
import { callBytesAtMost, packedPrincipal, writeCall } from '../../shared/write-call.js'
import { bytesOf, GOLDEN } from './golden.js'

for (const { name, frame, hex } of GOLDEN) {
  t.test(`${name} has its golden bytes`, (t) => {
    const bytes = bytesOf(hex)
    t.equal(Buffer.from(encodeFrame(frame)).toString('hex'), bytes.toString('hex'), 'encoded')
    t.same(decoded(bytes), [frame], 'decoded')
    t.end()
  })
}

t.test('a CALL written by hand has the same bytes', (t) => {
  const calls = GOLDEN.flatMap(({ frame, hex }) =>
    frame[0] === FRAME.call ? [{ frame, hex }] : [],
  )
  for (const { frame, hex } of calls) t.equal(handWritten(frame), bytesOf(hex).toString('hex'))
  const [, example] = calls
  const texts = [0, 1, 31, 32, 40, 41, 255, 256, 65_535, 65_536].flatMap((length) => [
    'a'.repeat(length),
    'é'.repeat(length),
    `${'a'.repeat(length)}🙂`,
  ])
  const counts = [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]
  const variants = [
    ...texts.map((text) => ({ 6: text, 7: { [text]: text }, 8: [text, text] })),
    ...counts.map((count) => ({ 1: count, 3: count, 4: count })),
    ...[15, 16, 300].map((count) => ({ 8: Array.from({ length: count }, () => 'x') })),
    ...[0, 255, 256, 65_535, 65_536].map((length) => ({ 10: new Uint8Array(length).fill(7) })),
    { 7: Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`name${index}`, 'x'])) },
  ]
  for (const variant of variants) {
    const frame = Object.assign([...example!.frame], variant) as unknown as CallFrame
    t.equal(handWritten(frame), Buffer.from(encodeFrame(frame)).toString('hex'))
  }
  t.end()
})

t.test('every type of frame has golden bytes', (t) => {
  t.same(new Set(GOLDEN.map(({ frame }) => frame[0])), new Set(Object.values(FRAME)))
  t.end()
})

t.test('frames back to back in one message come out one by one, in order', (t) => {
  const message = Buffer.concat(GOLDEN.map(({ hex }) => bytesOf(hex)))
  t.same(
    decoded(message),
    GOLDEN.map(({ frame }) => frame),
  )
  t.end()
})

t.test('a message without frames is no error', (t) => {
  t.same(decoded(new Uint8Array(0)), [])
  t.end()
})

t.test('a frame that starts anywhere in its memory is read', (t) => {
  for (const { frame, hex } of GOLDEN) {
    const memory = Buffer.concat([
      Buffer.from('c1c1c1', 'hex'),
      bytesOf(hex),
      Buffer.from('c1', 'hex'),
    ])
    const view = new Uint8Array(memory.buffer, memory.byteOffset + 3, memory.length - 4)
    t.same(decoded(view), [frame])
  }
  t.end()
})

t.test('the bytes of a decoded body are a view on the message, not a copy', (t) => {
  const message = bytesOf('93 02 01 c403 010203')
  const [frame] = decoded(message)
  message[5] = 9
  t.same(frame, [2, 1, Uint8Array.of(9, 2, 3)])
  t.end()
})

const IDS = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff, 2 ** 32, 2 ** 53 - 1]
const LENGTHS = [0, 1, 31, 32, 255, 256, 65_535, 65_536, 256 * 1024]

for (const type of ['BODY', 'MESSAGE'] as const) {
  t.test(`a ${type} header written by hand says what a plain msgpack encoder says`, (t) => {
    const plain = new Unpackr({ useRecords: false })
    for (const id of IDS) {
      for (const length of LENGTHS) {
        const bytes = Buffer.alloc(length, 0xa5)
        const wanted: Frame = type === 'BODY' ? [2, id, bytes] : [13, id, length % 4, bytes]
        const target = Buffer.alloc(PAYLOAD_HEADER_BYTES + length + 8, 0xc1)
        const end =
          wanted[0] === 2
            ? writeBodyHeader(target, 3, id, length)
            : writeMessageHeader(target, 3, id, length % 4, length)
        if (end - 3 > PAYLOAD_HEADER_BYTES)
          t.fail(`the header of ${id}, ${length} is over its bound`)
        target.set(bytes, end)
        const frame = target.subarray(3, end + length)
        if (!isSame(plain.unpack(frame), wanted))
          t.fail(`plain msgpack reads ${id}, ${length} otherwise`)
        if (!isSame(decoded(frame)[0], wanted)) t.fail(`we read ${id}, ${length} otherwise`)
        const around = Buffer.concat([target.subarray(0, 3), target.subarray(end + length)])
        if (!around.every((byte) => byte === 0xc1))
          t.fail(`${id}, ${length} wrote beyond its frame`)
      }
    }
    t.end()
  })
}

/** `t.same` would compare large buffers byte by byte, slowly. */
function isSame(value: unknown, frame: Frame): boolean {
  const elements = value as readonly unknown[]
  return (
    elements.length === frame.length &&
    frame.every((element, index) =>
      element instanceof Uint8Array
        ? Buffer.from(element).equals(elements[index] as Uint8Array)
        : element === elements[index],
    )
  )
}

function decoded(message: Uint8Array): Frame[] {
  const frames: Frame[] = []
  decodeFrames(message, (frame) => frames.push(frame))
  return frames
}

/** In hex, written within the room that was asked for, and not at the buffer's start. */
function handWritten(frame: CallFrame): string {
  const principal = packedPrincipal(frame[9])
  const room = callBytesAtMost(frame, principal)
  const target = Buffer.alloc(room + 2, 0xc1)
  const end = writeCall(target, 1, frame, principal)
  if (target[0] !== 0xc1 || target[room + 1] !== 0xc1 || end > room + 1)
    throw new Error('Too long.')
  return target.subarray(1, end).toString('hex')
}
