import { Packr } from 'msgpackr'
import t from 'tap'
import {
  CodecError,
  decodeValue,
  encodeFrame,
  encodeValue,
  VALUE_LIMITS,
} from '../../shared/codec.js'
import { seededRandom } from './seeded-random.js'

t.test('a value comes back as it went', (t) => {
  const values = [
    null,
    true,
    0,
    -1,
    2 ** 31,
    2 ** 53 - 1,
    1.5,
    '',
    'é🙂',
    [],
    {},
    [1, [2, [3]]],
    { a: { b: { c: null } }, 'with space': 1, '': 2 },
    new Date(1_700_000_000_123),
    Buffer.from([1, 2, 3]),
  ]
  for (const value of values) t.same(decodeValue(encodeValue(value)), value)
  t.equal(decodeValue(encodeValue(undefined)), null, 'undefined is nil')
  t.end()
})

// msgpackr alone writes a byte for each number of the others, and then what lies in its buffer from before.
const VIEWS: [view: unknown, expected: unknown][] = [
  [new Float32Array([0.5, -2, Number.POSITIVE_INFINITY]), [0.5, -2, Number.POSITIVE_INFINITY]],
  [new Float64Array([0.1]), [0.1]],
  [new Int8Array([-1]), [-1]],
  [new Int16Array([-300]), [-300]],
  [new Int32Array([-70_000]), [-70_000]],
  [new Uint8ClampedArray([255]), [255]],
  [new Uint16Array([65_535]), [65_535]],
  [new Uint32Array([2 ** 32 - 1]), [2 ** 32 - 1]],
  [new BigInt64Array([-1n, 2n ** 60n]), [-1, 2n ** 60n]],
  [new BigUint64Array([2n ** 63n]), [2n ** 63n]],
  [new Float32Array(0), []],
  [new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2), Buffer.from([2, 3])],
  [new Uint8Array([1, 2, 3, 4]).subarray(1, 3), Buffer.from([2, 3])],
  [new Uint8Array([1, 2]).buffer, Buffer.from([1, 2])],
]

for (const [view, expected] of VIEWS) {
  const { name } = (view as object).constructor
  t.test(`${name}: what is in it, and nothing of what was encoded before`, async (t) => {
    for (const nested of [(value: unknown) => value, (value: unknown) => ({ list: [{ value }] })]) {
      encodeValue('secret'.repeat(1_000))
      const bytes = encodeValue(nested(view))
      t.notOk(Buffer.from(bytes).includes('secret'))
      t.same(decodeValue(bytes), nested(expected))
    }
  })
}

t.test('a long embedding holds nothing but its numbers', async (t) => {
  const numbers = Array.from({ length: 20_000 }, (_, index) => index / 2)
  encodeValue('secret'.repeat(20_000))
  t.same(decodeValue(encodeValue({ embedding: new Float32Array(numbers) })), { embedding: numbers })
})

t.test('an error shows what was added to it, and its message no more than in JSON', async (t) => {
  const error = Object.assign(new RangeError('/secret/path'), { code: 'E_LIMIT' })
  t.same(decodeValue(encodeValue({ error })), JSON.parse(JSON.stringify({ error })))
  const told = Object.assign(new Error('no'), { toJSON: () => ({ why: 'full' }) })
  t.same(decodeValue(encodeValue(told)), { why: 'full' })
})

t.test('bytes that were encoded stay as they are while more is encoded', (t) => {
  const first = encodeValue({ text: 'first' })
  const copy = Buffer.from(first)
  for (let round = 0; round < 2_000; round++) {
    encodeValue({ text: 'x'.repeat(round) })
    encodeFrame([3, round])
  }
  t.same(Buffer.from(first), copy)
  t.end()
})

const HOSTILE_MAPS: Record<string, string> = {
  'a key __proto__ with a map': '81 a95f5f70726f746f5f5f 81 a8706f6c6c75746564 c3',
  'a key __proto__ with nil': '81 a95f5f70726f746f5f5f c0',
  'a key __proto__ deep within': '81 a161 91 81 a95f5f70726f746f5f5f 81 a8706f6c6c75746564 c3',
  'a key __proto__ in a map 16': 'de 0001 a95f5f70726f746f5f5f 81 a8706f6c6c75746564 c3',
  'a key __proto__ as a str 8': '81 d9095f5f70726f746f5f5f 81 a8706f6c6c75746564 c3',
  'a key constructor':
    '81 ab636f6e7374727563746f72 81 a970726f746f74797065 81 a8706f6c6c75746564 c3',
  'a key [__proto__]': '81 91 a95f5f70726f746f5f5f 81 a8706f6c6c75746564 c3',
}

for (const [name, hex] of Object.entries(HOSTILE_MAPS)) {
  t.test(`${name} changes no prototype`, (t) => {
    let value: unknown = null
    try {
      value = decodeValue(bytesOf(hex))
    } catch (error) {
      t.type(error, CodecError)
    }
    t.notOk('polluted' in {}, 'not of every object')
    for (
      let item = value;
      typeof item === 'object' && item !== null;
      item = Object.values(item)[0]
    ) {
      const prototype = Object.getPrototypeOf(item)
      t.ok(prototype === Object.prototype || prototype === Array.prototype, 'nor of this one')
    }
    t.end()
  })
}

const REFUSED: Record<string, string | Uint8Array> = {
  'no bytes': '',
  'bytes after the value': '01 01',
  'a value that breaks off': '92 01',
  'a byte that msgpack never uses': 'c1',
  'an array that promises four billion items': 'dd ffffffff',
  'a map that promises four billion entries': 'df ffffffff',
  'nesting that would end the stack': Buffer.alloc(1_000_000, 0x91),
  'maps in maps without end': Buffer.alloc(1_000_000, 0x81),
  'an extension that makes a regular expression': 'c7 05 78 92 a161 a167',
  'an extension that makes an error': 'c7 03 65 93 a0 a0 a0',
  'an extension that makes a set': 'd4 73 00 91 01',
  'an extension that defines a record': 'd4 72 40 91 a161 05',
  'an extension that refers to another value': 'd6 69 00000001 91 01',
  'an extension that nobody knows': 'd4 05 00',
}

for (const [name, bytes] of Object.entries(REFUSED)) {
  t.test(`${name}: refused with a sentence`, (t) => {
    const startedAt = process.hrtime.bigint()
    t.throws(() => decodeValue(typeof bytes === 'string' ? bytesOf(bytes) : bytes), {
      name: 'CodecError',
      message: /^[A-Z].*\.$/,
    })
    t.ok(process.hrtime.bigint() - startedAt < 1_000_000_000n, 'and at once')
    t.end()
  })
}

t.test('as many items as the limit allows, and as deep, are read', (t) => {
  const wide = Buffer.concat([bytesOf('dd 000f423f'), Buffer.alloc(999_999, 1)])
  t.equal((decodeValue(wide) as number[]).length, VALUE_LIMITS.maxItems - 1)
  const wider = Buffer.concat([bytesOf('dd 000f4240'), Buffer.alloc(1_000_000, 1)])
  t.throws(() => decodeValue(wider), CodecError)
  t.doesNotThrow(() => decodeValue(Buffer.concat([Buffer.alloc(128, 0x91), bytesOf('01')])))
  t.throws(() => decodeValue(Buffer.concat([Buffer.alloc(129, 0x91), bytesOf('01')])), CodecError)
  t.end()
})

t.test('a limit of its own can be given', (t) => {
  t.throws(() => decodeValue(bytesOf('91 91 01'), { maxDepth: 1, maxItems: 10 }), /deeper than 1/)
  t.throws(
    () => decodeValue(bytesOf('92 01 02'), { maxDepth: 1, maxItems: 2 }),
    /more than 2 items/,
  )
  t.end()
})

t.test('a time in milliseconds is a number, whichever way its sender writes whole numbers', (t) => {
  // What Python's and Go's libraries write for 1,700,000,000,123; a bigint would break arithmetic and JSON.
  t.equal(decodeValue(bytesOf('cf 0000018bcfe5687b')), 1_700_000_000_123)
  t.equal(decodeValue(bytesOf('d3 0000018bcfe5687b')), 1_700_000_000_123)
  t.equal(decodeValue(bytesOf('cf 0000000000000005')), 5)
  t.equal(decodeValue(bytesOf('d3 ffffffffffffffff')), -1)
  t.end()
})

t.test('what another encoder calls a record does not change how the next value is read', (t) => {
  const records = new Packr({ useRecords: true })
  t.throws(() => decodeValue(records.pack([{ a: 1 }, { a: 2 }])), CodecError)
  t.same(decodeValue(bytesOf('92 40 41')), [0x40, 0x41])
  t.end()
})

t.test('random bytes are a value or a CodecError, and never anything else', (t) => {
  const random = seededRandom(4)
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.bytes(random.int(0, 40))
    try {
      decodeValue(bytes)
    } catch (error) {
      if (!(error instanceof CodecError)) return t.fail(`${error} for ${bytes.toString('hex')}`)
    }
  }
  t.end()
})

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
}
