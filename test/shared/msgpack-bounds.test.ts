import { Packr } from 'msgpackr'
import t from 'tap'
import { checkBounds, endOfValue } from '../../shared/msgpack-bounds.js'
import { type Random, seededRandom } from './seeded-random.js'

const LIMITS = { maxDepth: 128, maxItems: 1_000_000 }
const packr = new Packr({ useRecords: false, variableMapSize: true })

t.test('the end of every random value is found, at any place among other bytes', (t) => {
  const random = seededRandom(1)
  for (let round = 0; round < 3_000; round++) {
    const bytes = Buffer.from(packr.pack(randomValue(random, 5)))
    const before = random.int(0, 40)
    const among = Buffer.concat([random.bytes(before), bytes, random.bytes(random.int(0, 40))])
    const view = new Uint8Array(among.buffer, among.byteOffset, among.length)
    const end = endOfValue(view, before, LIMITS)
    if (end !== before + bytes.length) return t.fail(`${end}: ${bytes.toString('hex')}`)
    if (checkBounds(bytes, LIMITS) !== null) return t.fail(`refused: ${bytes.toString('hex')}`)
  }
  t.end()
})

t.test('a value that breaks off has no end, at whatever byte it does', (t) => {
  const random = seededRandom(2)
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(packr.pack(randomValue(random, 4)))
    if (bytes.length > 3_000) continue
    for (let length = 0; length < bytes.length; length++) {
      const end = endOfValue(bytes.subarray(0, length), 0, LIMITS)
      if (end !== -1) return t.fail(`${end} for ${length} of ${bytes.toString('hex')}`)
    }
  }
  t.equal(
    checkBounds(Buffer.from('92', 'hex'), LIMITS),
    'The msgpack value breaks off before its end.',
  )
  t.end()
})

const EVERY_FORM: Record<string, string> = {
  'positive fixint': '7f',
  'negative fixint': 'e0',
  'empty fixmap': '80',
  fixmap: '81 01 02',
  'empty fixarray': '90',
  fixarray: '92 01 02',
  'empty fixstr': 'a0',
  fixstr: 'a3 616263',
  nil: 'c0',
  false: 'c2',
  true: 'c3',
  'bin 8': 'c4 02 0102',
  'bin 16': 'c5 0002 0102',
  'bin 32': 'c6 00000002 0102',
  'float 32': 'ca 00000000',
  'float 64': 'cb 0000000000000000',
  'uint 8': 'cc 80',
  'uint 16': 'cd 8000',
  'uint 32': 'ce 80000000',
  'uint 64': 'cf 8000000000000000',
  'int 8': 'd0 80',
  'int 16': 'd1 8000',
  'int 32': 'd2 80000000',
  'int 64': 'd3 8000000000000000',
  'str 8': 'd9 01 61',
  'str 16': 'da 0001 61',
  'str 32': 'db 00000001 61',
  'array 16': 'dc 0001 01',
  'array 32': 'dd 00000001 01',
  'map 16': 'de 0001 01 02',
  'map 32': 'df 00000001 01 02',
  'timestamp 32': 'd6 ff 00000000',
  'timestamp 64': 'd7 ff 0000000000000000',
  'timestamp 96': 'c7 0c ff 000000000000000000000000',
  'map in map in array': '91 81 01 81 02 90',
  'last of an array is an array': '92 01 92 02 91 03',
}

for (const [name, hex] of Object.entries(EVERY_FORM)) {
  t.test(`${name}: its end is found, and so is every place where it breaks off`, (t) => {
    const bytes = bytesOf(hex)
    t.equal(checkBounds(bytes, LIMITS), null)
    t.equal(endOfValue(Buffer.concat([bytes, bytes]), 0, LIMITS), bytes.length)
    t.equal(endOfValue(Buffer.concat([bytes, bytes]), bytes.length, LIMITS), 2 * bytes.length)
    for (let length = 0; length < bytes.length; length++) {
      const end = endOfValue(bytes.subarray(0, length), 0, LIMITS)
      if (end !== -1) t.fail(`${end} for ${length} bytes`)
    }
    t.match(checkBounds(Buffer.concat([bytes, bytes]), LIMITS), /after the msgpack value/)
    t.end()
  })
}

const EXTENSIONS: Record<string, string> = {
  'fixext 1': 'd4 05 00',
  'fixext 2': 'd5 05 0000',
  'fixext 4': 'd6 05 00000000',
  'fixext 8': 'd7 05 0000000000000000',
  'fixext 16': `d8 05 ${'00'.repeat(16)}`,
  'ext 8': 'c7 01 05 00',
  'ext 8 without content': 'c7 00 05',
  'ext 16': 'c8 0001 05 00',
  'ext 32': 'c9 00000001 05 00',
  "the decoder's own record definition": 'd4 72 40',
  'a regular expression of the decoder': 'c7 05 78 92 a161 a167',
}

for (const [name, hex] of Object.entries(EXTENSIONS)) {
  t.test(`${name} is refused, also within a value`, (t) => {
    t.match(checkBounds(bytesOf(hex), LIMITS), /Extension types/)
    t.match(checkBounds(bytesOf(`92 01 ${hex}`), LIMITS), /Extension types/)
    t.match(checkBounds(bytesOf(`81 a161 ${hex}`), LIMITS), /Extension types/)
    t.end()
  })
}

t.test('an extension that breaks off never has an end', (t) => {
  for (const hex of [
    ...Object.values(EXTENSIONS),
    'd6 ff 00000000',
    'c7 0c ff 000000000000000000000000',
  ]) {
    const bytes = bytesOf(hex)
    for (let length = 0; length < bytes.length; length++) {
      const end = endOfValue(bytes.subarray(0, length), 0, LIMITS)
      t.ok(end === -1 || typeof end === 'string', `${length} bytes of ${hex}: ${end}`)
    }
  }
  t.end()
})

t.test('nesting up to the limit is accepted and one level more is refused', (t) => {
  for (const level of ['91', '81 01']) {
    t.equal(checkBounds(bytesOf(`${level.repeat(128)} c0`), LIMITS), null)
    t.match(checkBounds(bytesOf(`${level.repeat(129)} c0`), LIMITS), /deeper than 128/)
  }
  t.match(checkBounds(Buffer.alloc(10_000_000, 0x91), LIMITS), /deeper than 128/)
  t.end()
})

t.test(
  'an empty array at the deepest level counts as a level or not, but never opens another',
  (t) => {
    t.equal(checkBounds(bytesOf(`${'91'.repeat(128)} 90`), LIMITS), null)
    t.match(checkBounds(bytesOf(`${'91'.repeat(128)} 91 90`), LIMITS), /deeper than 128/)
    t.end()
  },
)

t.test('items up to the limit are accepted and one more is refused', (t) => {
  const limits = { maxDepth: 3, maxItems: 10 }
  t.equal(checkBounds(bytesOf(`99 ${'01'.repeat(9)}`), limits), null, 'the array itself is one')
  t.match(checkBounds(bytesOf(`9a ${'01'.repeat(10)}`), limits), /more than 10 items/)
  t.equal(checkBounds(bytesOf(`84 ${'0102'.repeat(4)}`), limits), null)
  t.match(checkBounds(bytesOf(`85 ${'0102'.repeat(5)}`), limits), /more than 10 items/)
  t.match(checkBounds(bytesOf(`95 ${'92 01 02'.repeat(5)}`), limits), /more than 10 items/)
  t.end()
})

t.test('a few bytes that promise four billion items are refused before the items come', (t) => {
  for (const hex of ['dd ffffffff', 'df ffffffff', 'dd 000f4241', 'df 0007a121']) {
    t.match(checkBounds(bytesOf(hex), LIMITS), /more than 1000000 items/, hex)
  }
  t.equal(endOfValue(bytesOf('dd 000f4240'), 0, LIMITS), -1, 'what could still come is awaited')
  t.end()
})

t.test('a few bytes that promise four gigabytes are awaited, not read past the end', (t) => {
  for (const hex of ['c6 ffffffff', 'db ffffffff', 'c9 ffffffff ff', 'c9 ffffffff 05']) {
    const end = endOfValue(bytesOf(`${hex} 00`), 0, LIMITS)
    t.ok(end === -1 || typeof end === 'string', hex)
  }
  t.end()
})

t.test('the byte that msgpack never uses is refused wherever a value may stand', (t) => {
  for (const hex of ['c1', '91 c1', '81 c1 01', '81 01 c1']) {
    t.match(checkBounds(bytesOf(hex), LIMITS), /not msgpack/, hex)
  }
  t.end()
})

t.test('random bytes get an answer, and an end is never past the bytes', (t) => {
  const random = seededRandom(3)
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.bytes(random.int(0, 60))
    const end = endOfValue(bytes, 0, LIMITS)
    const isFine = typeof end === 'string' || end === -1 || (end > 0 && end <= bytes.length)
    if (!isFine) return t.fail(`${end} for ${bytes.toString('hex')}`)
  }
  t.end()
})

function randomValue(random: Random, depth: number): unknown {
  const kind = random.int(0, depth > 0 ? 13 : 10)
  switch (kind) {
    case 0:
      return null
    case 1:
      return random.next() < 0.5
    case 2:
      return random.int(-40, 140)
    case 3:
      return random.int(-(2 ** 31), 2 ** 32)
    case 4:
      return random.int(-(2 ** 52), 2 ** 52)
    case 5:
      return random.next() * 1e9
    case 6:
      return BigInt(random.int(0, 2 ** 52)) * 1024n
    case 7:
      return random
        .pick(['', 'a', 'é', '你好', '🙂'])
        .repeat(random.pick([1, 7, 8, 31, 32, 80, 300]))
    case 8:
      return 'x'.repeat(random.pick([255, 256, 65_535, 65_536]))
    case 9:
      return random.bytes(random.pick([0, 1, 255, 256, 300]))
    case 10:
      return new Date(random.pick([0, 1_700_000_000_000, 1_700_000_000_123, -1, 2 ** 43]))
    case 11:
    case 12:
      return Array.from({ length: random.pick([0, 1, 3, 15, 16, 40]) }, () =>
        randomValue(random, depth - 2),
      )
    default: {
      const entries = Array.from({ length: random.pick([0, 1, 3, 15, 16, 40]) }, (_, index) => [
        `${random.pick(['k', 'key', 'é'])}${index}`,
        randomValue(random, depth - 2),
      ])
      return Object.fromEntries(entries)
    }
  }
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
}
