import t from 'tap'
import { ValueStream } from '../../client/value-stream.js'
import { encodeValue } from '../../shared/codec.js'
import { seededRandom } from '../shared/seeded-random.js'

/** Values of every kind of item, nested, short and long. */
const VALUES: unknown[] = [
  null,
  7,
  -7,
  70_000,
  -70_000,
  2n ** 60n,
  1.5,
  '',
  'short',
  'x'.repeat(40),
  'ä'.repeat(40_000),
  [],
  {},
  Buffer.from('bytes'),
  Buffer.alloc(300, 'b'),
  Buffer.alloc(70_000, 'b'),
  new Date('2026-01-02T03:04:05.678Z'),
  [[], [[1, 'two']], {}],
  { list: Array.from({ length: 100 }, (_, index) => ({ index, text: `item ${index}` })) },
  Array.from({ length: 20_000 }, (_, index) => index),
  Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key ${index}`, [index]])),
]

t.test('values come out as they went in, wherever the bytes are cut', async (t) => {
  const random = seededRandom(1)
  for (let round = 0; round < 200; round++) {
    const expected = Array.from(
      { length: random.int(1, 6) },
      () => VALUES[random.int(0, VALUES.length - 1)],
    )
    const bytes = Buffer.concat(expected.map((value) => encodeValue(value)))
    const stream = new ValueStream()
    const values: unknown[] = []
    // Byte by byte only where there are not too many.
    const least = Math.ceil(bytes.length / 2_000)
    const largest = Math.max(least, [1, 3, 50, 5_000, 100_000][round % 5]!)
    for (let at = 0; at < bytes.length; ) {
      const end = at + random.int(least, largest)
      values.push(...stream.push(bytes.subarray(at, end)))
      at = end
    }
    stream.end()
    const again = Buffer.concat(values.map((value) => encodeValue(value)))
    if (!again.equals(bytes)) return t.fail(`round ${round}`)
  }
})

t.test('a value is there with its last byte, and one that breaks off is told', async (t) => {
  for (const value of VALUES) {
    const bytes = Buffer.from(encodeValue(value))
    const stream = new ValueStream()
    if (bytes.length > 1) {
      t.same(stream.push(bytes.subarray(0, bytes.length - 1)), [])
      t.throws(() => stream.end(), { name: 'CodecError', message: /breaks off/ })
    }
    t.equal(stream.push(bytes.subarray(bytes.length - 1)).length, 1)
    stream.end()
  }
})

t.test('what is no value is refused, also when its beginning came before', async (t) => {
  for (const [first, second, message] of [
    ['c1', '', /not msgpack/],
    ['92', '01c1', /not msgpack/],
    ['92c7', '0c01', /Extension/],
    ['dd00', '0f4241', /more than 1000000 items/],
    [`${'91'.repeat(100)}`, '91'.repeat(40), /nested deeper/],
  ] as const) {
    const stream = new ValueStream()
    const push = () => [first, second].map((hex) => stream.push(Buffer.from(hex, 'hex')))
    t.throws(push, { name: 'CodecError', message })
  }
})

// What had come of a value was joined with each piece and looked at from its beginning: a large value took
// the square of its pieces. Each of these took minutes.
const LARGE: Record<string, [value: unknown, pieceBytes: number]> = {
  'of many bytes': [Buffer.alloc(64 * 1024 * 1024), 4 * 1024],
  'of many items': [Array.from({ length: 900_000 }, (_, index) => index % 100), 64],
}

for (const [name, [value, pieceBytes]] of Object.entries(LARGE)) {
  t.test(`a value ${name} takes its pieces' time, and not their square`, async (t) => {
    const bytes = encodeValue(value)
    const stream = new ValueStream()
    const values: unknown[] = []
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      values.push(...stream.push(bytes.subarray(at, at + pieceBytes)))
    }
    stream.end()
    t.equal(values.length, 1)
    t.equal((values[0] as { length: number }).length, (value as { length: number }).length)
  })
}
