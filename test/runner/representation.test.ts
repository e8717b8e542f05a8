import { pack, unpack } from 'msgpackr'
import t from 'tap'
import {
  decodeBody,
  decodeQuery,
  representRaw,
  representStream,
  representValue,
} from '../../runner/representation.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (encoded: Uint8Array) => Buffer.from(encoded).toString()

t.test('a body is decoded by its content-type', async (t) => {
  const decode = (contentType: string | null, body: string | Uint8Array) =>
    decodeBody(typeof body === 'string' ? bytes(body) : body, contentType)
  t.same(await decode('application/json', '{"__proto__":1}'), JSON.parse('{"__proto__":1}'))
  t.same(await decode(' Application/JSON ; charset=utf-8', '1'), 1)
  t.same(await decode('application/problem+json', '{}'), {})
  t.same(await decode('application/vnd.msgpack', pack([1])), [1])
  t.same(await decode('application/jsonl', '1\r\n2\r\n'), [1, 2])
  t.same(await decode('text/event-stream', ': hi\r\nid: 1\r\ndata: [1,\r\ndata: 2]\r\n\r\n'), [
    [1, 2],
  ])
  t.same(await decode('application/x-www-form-urlencoded', ''), {})
  t.equal(await decode('text/csv', 'a,b'), 'a,b')
  t.same(await decode('application/pdf', Uint8Array.of(1)), Uint8Array.of(1))
  t.equal(await decode(null, ''), undefined)
  t.same(await decode(null, 'x'), bytes('x'))
})

t.test('what cannot be decoded says whose fault it is', async (t) => {
  const refused = (contentType: string, body: string | Uint8Array, code: string) =>
    t.rejects(async () => decodeBody(typeof body === 'string' ? bytes(body) : body, contentType), {
      code,
    })
  await refused('application/json', '{', 'bad_request')
  await refused('application/json', Uint8Array.of(0x22, 0xff, 0x22), 'bad_request')
  await refused('application/msgpack', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff), 'bad_request')
  await refused('text/plain; charset=latin1', 'x', 'unsupported_media_type')
  await refused('application/json; charset=utf-16', '1', 'unsupported_media_type')
  await refused('multipart/form-data; boundary=x', 'y', 'bad_request')
})

t.test('a query gives strings, and arrays of them for names that come again', async (t) => {
  t.same(decodeQuery('/a'), {})
  t.same(decodeQuery('/a?x=1&y=%C3%A4+b&x=2&flag'), { x: ['1', '2'], y: 'ä b', flag: '' })
  const odd = decodeQuery('/a?__proto__=1&constructor=2')
  t.equal(Object.getPrototypeOf(odd), Object.prototype)
  t.same(Object.entries(odd), [
    ['__proto__', '1'],
    ['constructor', '2'],
  ])
})

t.test('each form writes values and streams of them', async (t) => {
  const values = [{ a: 1 }, 'ä', null, undefined, 2n ** 60n]
  const streamed = (accept: string) => {
    const form = representStream(accept)
    const items = values.map((value, index) => form.item(value, index))
    return text(form.prefix) + items.join('') + text(form.suffix)
  }
  const json = ['{"a":1}', '"ä"', 'null', 'null', '"1152921504606846976"']
  t.equal(streamed('application/json'), `[${json.join(',')}]`)
  t.equal(streamed('application/x-ndjson'), json.map((each) => `${each}\n`).join(''))
  t.equal(streamed('application/jsonl'), streamed('application/x-ndjson'))
  t.equal(streamed('text/event-stream'), json.map((each) => `data: ${each}\n\n`).join(''))
  t.same(unpack(representValue('application/msgpack').encode({ a: [1] })), { a: [1] })
  t.equal(text(representStream('application/json').prefix), '[', 'an empty stream is [ and ]')
})

const BYTES = Uint8Array.of(0, 1, 255)
const BASE64 = 'AAH/'
const WITHIN: Record<string, [value: unknown, json: unknown]> = {
  'a Uint8Array': [BYTES, BASE64],
  'a Buffer': [Buffer.from(BYTES), BASE64],
  'an ArrayBuffer': [BYTES.buffer, BASE64],
  'a part of a larger array': [Uint8Array.of(9, 0, 1, 255, 9).subarray(1, 4), BASE64],
  'a field': [
    { a: 1, b: { c: BYTES } },
    { a: 1, b: { c: BASE64 } },
  ],
  'an element': [
    [1, [Buffer.from(BYTES)], 'x'],
    [1, [BASE64], 'x'],
  ],
  'no bytes': [
    { a: new Uint8Array(0), b: new ArrayBuffer(0) },
    { a: '', b: '' },
  ],
  'beside a date and a bigint': [
    { at: new Date(0), n: 2n ** 60n, b: BYTES },
    { at: '1970-01-01T00:00:00.000Z', n: '1152921504606846976', b: BASE64 },
  ],
  'what `toJSON` gives': [
    { a: { toJSON: (key: string) => ({ key, b: BYTES }) }, c: [{ toJSON: () => BYTES }] },
    { a: { key: 'a', b: BASE64 }, c: [BASE64] },
  ],
  'a `toJSON` that gives its owner': [
    {
      b: BYTES,
      toJSON() {
        return this
      },
    },
    { b: BASE64 },
  ],
  'a class': [
    new (class {
      b = BYTES
      get hidden() {
        return 1
      }
    })(),
    { b: BASE64 },
  ],
  'an inherited field': [Object.create({ b: BYTES }), {}],
  'a field that is called __proto__': [
    JSON.parse('{"__proto__":{"b":0}}', (key, value) => (key === 'b' ? BYTES : value)),
    JSON.parse(`{"__proto__":{"b":"${BASE64}"}}`),
  ],
  'a DataView': [new DataView(BYTES.buffer, BYTES.byteOffset, BYTES.length), BASE64],
  'an embedding, which is an array': [
    { a: undefined, list: [new Float32Array([0.5, 2, Number.NaN])], i: new Int8Array([-1]) },
    { list: [[0.5, 2, null]], i: [-1] },
  ],
  'a Map and a Set, as in msgpack': [
    { map: new Map<unknown, unknown>([[1, BYTES]]), set: new Set([BYTES, 2]), u: new Map() },
    { map: { 1: BASE64 }, set: [BASE64, 2], u: {} },
  ],
  'no bytes at all': [{ a: undefined, f: [0.5] }, { f: [0.5] }],
}

for (const [name, [value, expected]] of Object.entries(WITHIN)) {
  t.test(`bytes are base64 in JSON: ${name}`, async (t) => {
    // They were `{"0":0,"1":1}`, or `{"type":"Buffer","data":[...]}`, or `{}`.
    const json = JSON.stringify(expected)
    t.equal(text(representValue('application/json').encode(value)), json)
    t.equal(text(representValue('application/x-ndjson').encode(value)), `${json}\n`)
    t.equal(representStream('text/event-stream').item(value, 0), `data: ${json}\n\n`)
    t.equal(representStream('application/json').item(value, 1), `,${json}`)
  })
}

t.test('the value itself is left as it is, and is bytes in msgpack', async (t) => {
  const value = { list: [BYTES, { b: BYTES }] }
  representValue(null).encode(value)
  t.equal(value.list[0], BYTES)
  t.same(unpack(representValue('application/msgpack').encode(value)), {
    list: [Buffer.from(BYTES), { b: Buffer.from(BYTES) }],
  })
})

t.test('what cannot be JSON is told as ever', async (t) => {
  const circle: Record<string, unknown> = { b: BYTES }
  circle.self = { circle }
  t.throws(() => representValue(null).encode(circle), { message: /circular/ })
  const getter = {
    get a() {
      throw new Error('not now')
    },
  }
  t.throws(() => representValue(null).encode(getter), { message: 'not now' })
})

t.test(
  'a value is JSON and a stream is server-sent events, unless the client says so',
  async (t) => {
    t.equal(representValue(null).contentType, 'application/json')
    t.equal(representStream(null).contentType, 'text/event-stream')
    t.equal(representStream('*/*').contentType, 'text/event-stream')
    t.equal(representStream('application/*').contentType, 'application/x-ndjson')
    t.equal(representStream('application/jsonl').streamContentType, 'application/jsonl')
    t.equal(representValue('text/*').contentType, 'text/event-stream')
    t.equal(
      representValue('application/msgpack;q=0.9, application/json;q=0.8').contentType,
      'application/msgpack',
    )
    t.throws(() => representValue('image/*'), {
      code: 'not_acceptable',
      message: /application\/json/,
    })
    t.throws(() => representStream('application/json;q=0'), { code: 'not_acceptable' })
  },
)

t.test('the answer for one Accept is not the answer for another', async (t) => {
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 300; index++) {
      const accept = `application/msgpack;q=0.${index + 1}, application/json;q=0`
      t.equal(representValue(accept).contentType, 'application/msgpack')
    }
    t.equal(representValue('application/json').contentType, 'application/json')
  }
})

t.test('text and bytes leave as they are, unless another form is asked for', async (t) => {
  t.same(representRaw('ä', null), { contentType: 'text/plain; charset=utf-8', body: bytes('ä') })
  t.same(representRaw('x', '*/*')?.contentType, 'text/plain; charset=utf-8')
  t.equal(representRaw('x', 'application/json'), null)
  t.equal(representRaw('x', 'application/json, text/plain;q=0.5'), null)
  const body = Uint8Array.of(1, 2)
  t.same(representRaw(body, '*/*'), { contentType: 'application/octet-stream', body })
  t.equal(representRaw(body, 'application/msgpack'), null)
})
