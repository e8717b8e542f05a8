// What a client sends decides what a function's input is; what it accepts decides the form of the answer.

import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { pack, unpack } from 'msgpackr'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const system = await System.start(t)
await system.serveExamples('echo', 'hello')

/** Says what its input was, in a form that JSON can carry. */
await system.serve(
  defineFunction({
    name: 'describe',
    route: ['POST /describe', 'PUT /describe', 'GET /describe', 'DELETE /describe'],
    maxInputs: 10,
    run: async (input) => describe(input),
  }),
)
const RESULTS: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  text: () => 'grüße',
  bytes: () => Uint8Array.of(0, 1, 255),
  bigint: () => ({ small: 5n, large: 2n ** 64n }),
  array: () => [1, 2],
  response: () => new Response('<p>', { status: 202, headers: { 'content-type': 'text/html' } }),
}
await system.serve(
  defineFunction({
    name: 'result',
    route: 'GET /result/:kind',
    maxInputs: 10,
    run: (_input, { params }) => RESULTS[params.kind!]!(),
  }),
)

async function describe(input: unknown): Promise<unknown> {
  if (input instanceof Uint8Array) return { bytes: [...input] }
  if (input === undefined) return { nothing: true }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return { value: input }
  const fields = Object.entries(input).map(async ([name, value]) => [
    name,
    value instanceof File ? { file: value.name, text: await value.text() } : value,
  ])
  return { value: Object.fromEntries(await Promise.all(fields)) }
}

async function described(contentType: string | null, body: string | Uint8Array): Promise<unknown> {
  const response = await system.fetch('/describe', {
    method: 'POST',
    body: typeof body === 'string' ? Buffer.from(body) : body,
    headers: contentType === null ? {} : { 'content-type': contentType },
  } as RequestInit)
  return response.ok ? await response.json() : response.status
}

t.test('the content-type says what the input is', async (t) => {
  t.same(await described('application/json', '{"a":1}'), { value: { a: 1 } })
  t.same(await described('application/JSON; charset=UTF-8', '\ufeff[1]'), { value: [1] })
  t.same(await described('application/ld+json', '"x"'), { value: 'x' })
  t.same(await described('application/msgpack', pack({ a: [1, 'x'] })), { value: { a: [1, 'x'] } })
  t.same(await described('application/x-msgpack', pack(7)), { value: 7 })
  t.same(await described('application/x-ndjson', '{"a":1}\n\n[2]\n'), { value: [{ a: 1 }, [2]] })
  t.same(await described('text/event-stream', 'data: {"a":1}\n\ndata: 2\n\n'), {
    value: [{ a: 1 }, 2],
  })
  t.same(await described('application/x-www-form-urlencoded', 'a=1&b=x+y&a=2&__proto__=z'), {
    value: { a: ['1', '2'], b: 'x y', ['__proto__']: 'z' },
  })
  t.same(await described('text/plain', 'grüße'), { value: 'grüße' })
  t.same(await described('image/png', Uint8Array.of(137, 80)), { bytes: [137, 80] })
  t.same(await described(null, Uint8Array.of(1, 2)), { bytes: [1, 2] })
  t.same(await described(null, ''), { nothing: true })
})

t.test('a compressed body is decompressed before it is decoded', async (t) => {
  // It was told to be no valid UTF-8.
  const json = Buffer.from('{"a":[1,2,3]}')
  const BODIES: [coding: string, body: Uint8Array][] = [
    ['gzip', gzipSync(json)],
    ['X-GZip', gzipSync(json)],
    ['deflate', deflateSync(json)],
    ['deflate', deflateRawSync(json)],
    ['br', brotliCompressSync(json)],
    ['identity', json],
  ]
  for (const [coding, body] of BODIES) {
    t.same(await coded(coding, body), { value: { a: [1, 2, 3] } }, coding)
  }
  t.same(await coded('gzip', gzipSync(Buffer.from([1, 2])), 'image/png'), { bytes: [1, 2] })
  const large = JSON.stringify({ a: 'x'.repeat(5_000_000) })
  t.equal(((await coded('gzip', gzipSync(large))) as { value: { a: [] } }).value.a.length, 5e6)
})

t.test('one that cannot be is refused', async (t) => {
  const body = gzipSync('{}')
  for (const coding of ['gzip', 'br', 'deflate']) {
    t.match(await coded(coding, Buffer.from('{"a":1}')), { code: 'bad_request' }, coding)
  }
  t.match(await coded('gzip', body.subarray(0, -1)), { code: 'bad_request' }, 'cut')
  t.match(await coded('gzip', gzipSync('{')), { code: 'bad_request' })
  t.match(await coded('compress', body), {
    code: 'unsupported_media_type',
    detail: /compress .*gzip, deflate and br/,
  })
  t.match(await coded('gzip, br', body), { code: 'unsupported_media_type' })
  t.match(await coded('gzip\r\ncontent-encoding: br', body), { code: 'unsupported_media_type' })
})

t.test('the limit of a body is that of what it becomes', async (t) => {
  const limits = { name: 'limited', auth: 'public' as const, maxBodyBytes: 1000 }
  await system.serve(defineFunction({ ...limits, run: (input) => String(input).length }))
  const post = (bytes: number) => {
    const body = gzipSync(Buffer.alloc(bytes, 'x'))
    const headers = { 'content-type': 'text/plain', 'content-encoding': 'gzip' }
    return system.fetch('/limited', { method: 'POST', body, headers } as RequestInit)
  }
  t.equal(await (await post(1000)).json(), 1000)
  const refused = await post(1001)
  t.equal(refused.status, 413)
  t.match(await refused.json(), { code: 'payload_too_large', detail: /1000 bytes when/ })
  t.equal((await post(500_000)).status, 413)
})

t.test('`fetch` has the body as it came', async (t) => {
  await system.serve(
    defineFunction({
      name: 'raw',
      auth: 'public',
      fetch: async (request) => new Response(await request.arrayBuffer()),
    }),
  )
  const body = gzipSync('hello')
  const headers = { 'content-encoding': 'gzip' }
  const response = await system.fetch('/raw/', { method: 'POST', body, headers } as RequestInit)
  t.ok(body.equals(Buffer.from(await response.arrayBuffer())))
})

/** What /describe says, or the problem. */
async function coded(coding: string, body: Uint8Array, contentType = 'application/json') {
  const client = await system.connect()
  await client.write(
    `POST /describe HTTP/1.1\r\nhost: x\r\nauthorization: ${await system.authorization()}\r\ncontent-type: ${contentType}\r\ncontent-encoding: ${coding}\r\ncontent-length: ${body.length}\r\n\r\n`,
  )
  await client.write(body)
  return JSON.parse((await client.answer())!.body.toString())
}

t.test('a multipart form gives fields and files', async (t) => {
  const body = new FormData()
  body.append('name', 'ann')
  body.append('tag', 'a')
  body.append('tag', 'b')
  body.append('picture', new Blob(['pixels'], { type: 'image/png' }), 'p.png')
  const response = await system.fetch('/describe', { method: 'POST', body })
  t.same(await response.json(), {
    value: { name: 'ann', tag: ['a', 'b'], picture: { file: 'p.png', text: 'pixels' } },
  })
})

t.test('a body that is not what its content-type says is a bad request', async (t) => {
  t.equal(await described('application/json', '{'), 400)
  t.equal(await described('application/json', ''), 400)
  t.equal(await described('application/msgpack', Uint8Array.of(0xc1)), 400)
  t.equal(await described('application/msgpack', Uint8Array.of(1, 2)), 400, 'bytes after the value')
  t.equal(await described('application/msgpack', Buffer.alloc(200, 0x91)), 400, 'too deep')
  t.equal(await described('application/x-ndjson', '{}\n{'), 400)
  t.equal(await described('text/event-stream', 'data: x\n\n'), 400)
  t.equal(await described('text/plain', Uint8Array.of(0xff)), 400)
  t.equal(await described('multipart/form-data', 'x'), 400)
  t.equal(await described('multipart/form-data; boundary=b', '--b\r\nx'), 400)
})

t.test('only UTF-8 is understood', async (t) => {
  t.equal(await described('text/plain; charset=iso-8859-1', 'x'), 415)
  t.equal(await described('application/json;charset="utf-16"', '1'), 415)
  t.same(await described('text/plain;charset="utf-8"', 'x'), { value: 'x' })
})

t.test('the query is the input of methods without a body', async (t) => {
  const get = async (query: string, method = 'GET') =>
    (await system.fetch(`/describe${query}`, { method })).json()
  t.same(await get('?a=1&b=x%20y&a=2&a=3'), { value: { a: ['1', '2', '3'], b: 'x y' } })
  t.same(await get(''), { value: {} })
  t.same(await get('?'), { value: {} })
  t.same(await get('?id=7', 'DELETE'), { value: { id: '7' } })
})

const VALUE_FORMS: [accept: string | undefined, contentType: string | null][] = [
  [undefined, 'application/json'],
  ['*/*', 'application/json'],
  ['application/*', 'application/json'],
  ['application/msgpack', 'application/msgpack'],
  ['application/x-ndjson', 'application/x-ndjson'],
  ['application/jsonl', 'application/jsonl'],
  ['text/event-stream', 'text/event-stream'],
  ['application/json;q=0.5, application/msgpack', 'application/msgpack'],
  ['application/json;q=0.5, application/msgpack;q=0.4', 'application/json'],
  ['text/html, application/xhtml+xml, */*;q=0.1', 'application/json'],
  ['application/json;q=0, */*', 'application/msgpack'],
  ['image/png', null],
  ['application/json;q=0', null],
]

t.test('Accept chooses the form of a value', async (t) => {
  for (const [accept, contentType] of VALUE_FORMS) {
    const response = await fetch(`${system.url}/hello`, {
      headers: accept === undefined ? {} : { accept },
    })
    if (contentType === null) {
      t.equal(response.status, 406, String(accept))
      t.match(await response.json(), { code: 'not_acceptable' })
    } else {
      t.equal(response.headers.get('content-type'), contentType, accept ?? 'no Accept')
      const bytes = Buffer.from(await response.arrayBuffer())
      const value =
        contentType === 'application/msgpack'
          ? unpack(bytes)
          : JSON.parse(bytes.toString().replace(/^data: /, ''))
      t.same(value, { message: 'Hello, world!' })
    }
  }
})

t.test('an answer that a cache may keep says that Accept chose it', async (t) => {
  // A cache that had one client's msgpack gave it to the next one, which had asked for JSON.
  await system.serve(
    defineFunction({
      name: 'count',
      route: ['GET /count', 'POST /count'],
      async *run() {
        yield 1
      },
    }),
  )
  const varyOf = async (path: string, method = 'GET', accept = '*/*') => {
    const response = await system.fetch(path, { method, headers: { accept } })
    await response.arrayBuffer()
    return response.headers.get('vary')
  }
  for (const path of ['/hello', '/count', '/result/text', '/result/bytes', '/result/null']) {
    t.equal(await varyOf(path), 'Accept', path)
    t.equal(await varyOf(path, 'HEAD'), 'Accept', `HEAD ${path}`)
  }
  t.equal(await varyOf('/hello', 'GET', 'application/msgpack'), 'Accept')
  t.equal(await varyOf('/result/undefined'), null)
  t.equal(await varyOf('/result/response'), null, 'it was made by the function')
  t.equal(await varyOf('/count', 'POST'), null)
  t.equal(await varyOf('/describe', 'POST'), null)
})

t.test('each kind of result has its answer', async (t) => {
  const get = (kind: string, accept = '*/*') =>
    system.fetch(`/result/${kind}`, { headers: { accept } })

  const nothing = await get('undefined')
  t.equal(nothing.status, 204)
  t.equal(await nothing.text(), '')

  t.equal(await (await get('null')).text(), 'null')
  t.same(await (await get('array')).json(), [1, 2], 'an array is a value, not a stream')
  t.same(await (await get('bigint')).json(), { small: 5, large: '18446744073709551616' })

  const text = await get('text')
  t.equal(text.headers.get('content-type'), 'text/plain; charset=utf-8')
  t.equal(await text.text(), 'grüße')
  t.equal(await (await get('text', 'application/json')).json(), 'grüße')

  const bytes = await get('bytes')
  t.equal(bytes.headers.get('content-type'), 'application/octet-stream')
  t.same([...new Uint8Array(await bytes.arrayBuffer())], [0, 1, 255])

  const response = await get('response')
  t.equal(response.status, 202)
  t.equal(response.headers.get('content-type'), 'text/html')
  t.equal(await response.text(), '<p>')
})

t.test('an answer without a body says no length of one', async (t) => {
  // `res.endWithoutBody(undefined)` writes `content-length: 9223372036854775808`.
  const client = await system.connect()
  await client.write(
    `GET /result/undefined HTTP/1.1\r\nHost: x\r\nAuthorization: ${await system.authorization()}\r\n\r\n`,
  )
  const answer = await client.answer()
  t.equal(answer?.status, 204)
  t.equal(answer?.headers['content-length'], undefined)
})

t.test('HEAD has the headers of GET and no body', async (t) => {
  const get = await fetch(`${system.url}/hello`)
  const client = await system.connect()
  await client.write('HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n')
  const head = await client.answer({ isToHead: true })
  t.equal(head?.status, 200)
  t.equal(head?.headers['content-type'], 'application/json')
  t.equal(head?.headers['content-length'], String((await get.arrayBuffer()).byteLength))
  await client.write('GET /hello HTTP/1.1\r\nHost: x\r\n\r\n')
  t.equal((await client.answer())?.status, 200, 'no byte of a body came in between')
})

t.test('none of this kept a slot', async (t) => {
  await system.atRest()
  t.pass()
})
