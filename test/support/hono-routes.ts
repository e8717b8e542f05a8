// The tests that an author of `honoApp` would write: what is asked of a route, and what is right. They know
// nothing of how the application is reached.

import { createHash, createHmac } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import type { Test } from 'tap'
import { BIG_BODY, COOKIE_SECRET, sha256, TAGGED_PAGE } from './hono-app.js'

export const HOST = 'app.test'

export interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array<ArrayBuffer> | URLSearchParams | FormData
  /** Sent in pieces, of a length that nobody says. */
  readonly isChunked?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  readonly text: string
  readonly json: unknown
}

export type RouteTest = [
  name: string,
  ask: Ask,
  check: (t: Test, answer: Answer, base: string) => void,
]

const asJson = (value: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

const form = new FormData()
form.set('note', 'ä ö\r\n"quoted"')
form.set('file', new File([BIG_BODY.slice(0, 300_000)], 'a b.bin', { type: 'image/x-raw' }))
// Its boundary is made anew for each request; both ways shall get the same bytes.
const multipart = new Response(form)
const multipartType = multipart.headers.get('content-type')!
const multipartBytes = new Uint8Array(await multipart.arrayBuffer())

const TAG = `"${createHash('sha1').update(TAGGED_PAGE).digest('hex')}"`
const SIGNED = encodeURIComponent(
  `sealed.${createHmac('sha256', COOKIE_SECRET).update('sealed').digest('base64')}`,
)

export const ROUTES: readonly RouteTest[] = [
  ['the root', { path: '' }, (t, { text }) => t.equal(text, 'the root')],
  ['a param', { path: '/hello/ann' }, (t, { json }) => t.same(json, { name: 'ann' })],
  [
    'a param with escapes',
    { path: '/hello/a%2Fb%20%C3%A4%25' },
    (t, { json }) => t.same(json, { name: 'a/b ä%' }),
  ],
  ['a param that matches', { path: '/numbers/007' }, (t, { json }) => t.same(json, { number: 7 })],
  ['a param that does not', { path: '/numbers/x7' }, (t, { status }) => t.equal(status, 404)],
  ['an optional param', { path: '/optional/7' }, (t, { json }) => t.same(json, { id: '7' })],
  ['and without it', { path: '/optional' }, (t, { json }) => t.same(json, { id: null })],
  [
    'two params',
    { path: '/two/1/and/2' },
    (t, { json }) => t.same(json, { first: '1', second: '2' }),
  ],
  [
    'a wildcard',
    { path: '/files/a/b%20c//d.txt' },
    (t, { json }, base) => t.match(json, { path: new RegExp(`^${base}/files/a/b.*c//d\\.txt$`) }),
  ],
  [
    'a query',
    { path: '/query?a=1&b=%26&a=2&empty=&flag&plus=a+b' },
    (t, { json }) =>
      t.same(json, {
        all: { a: ['1', '2'], b: ['&'], empty: [''], flag: [''], plus: ['a b'] },
        one: '1',
      }),
  ],
  ['a path of 4000 characters', { path: `/hello/${'x'.repeat(4_000)}` }, isOk],
  [
    'the URL and the Host',
    { path: '/host?x=%20' },
    (t, { json }, base) => t.same(json, { url: `http://${HOST}${base}/host?x=%20`, host: HOST }),
  ],
  [
    'headers',
    { path: '/headers', headers: { 'User-Agent': 'a test', 'X-Some': 'one, two', y: '' } },
    (t, { json }) => t.same(json, { agent: 'a test', x: 'one, two', y: '' }),
  ],

  ['GET of a nested app', { path: '/items/7' }, (t, { json }) => t.match(json, { id: '7' })],
  [
    'PUT',
    { ...asJson({ a: 1 }), method: 'PUT', path: '/items/7' },
    (t, { status, json }) => {
      t.equal(status, 201)
      t.same(json, { method: 'put', put: { a: 1 } })
    },
  ],
  [
    'PATCH',
    { ...asJson([1]), method: 'PATCH', path: '/items/7' },
    (t, { json }) => t.same(json, { method: 'patch', patch: [1] }),
  ],
  [
    'DELETE, answered with nothing',
    { method: 'DELETE', path: '/items/7' },
    (t, { status, bytes, headers }) => {
      t.equal(status, 204)
      t.equal(bytes.length, 0)
      t.equal(headers.get('content-length'), null)
    },
  ],
  [
    'a method that the path does not have',
    { method: 'POST', path: '/items/7' },
    (t, { status }) => t.equal(status, 404),
  ],
  ...['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map(
    (method): RouteTest => [
      `any method: ${method}`,
      { method, path: '/any' },
      (t, { text }) => t.equal(text, `any ${method}`),
    ],
  ),
  ...['LINK', 'PURGE'].map(
    (method): RouteTest => [
      `an unusual method: ${method}`,
      { method, path: '/unusual' },
      (t, { text }) => t.equal(text, `unusual ${method}`),
    ],
  ),
  [
    'HEAD of a text',
    { method: 'HEAD', path: '/hello/ann' },
    (t, { status, bytes, headers }) => {
      t.equal(status, 200)
      t.equal(bytes.length, 0)
      t.equal(headers.get('content-type'), 'application/json')
    },
  ],
  ['HEAD of a stream', { method: 'HEAD', path: '/stream/text' }, isOk],
  [
    'HEAD of what is not there',
    { method: 'HEAD', path: '/nowhere' },
    (t, { status }) => t.equal(status, 404),
  ],

  [
    'JSON',
    { ...asJson({ ä: [1, null] }), path: '/json' },
    (t, { json }) => t.same(json, { given: { ä: [1, null] } }),
  ],
  [
    'JSON that is none',
    { ...asJson(null), body: '{"a":', path: '/json' },
    (t, { status }) => t.equal(status, 500),
  ],
  [
    'JSON that is valid',
    { ...asJson({ age: 7 }), path: '/validated' },
    (t, { json }) => t.same(json, { next: 8 }),
  ],
  [
    'JSON that is not',
    { ...asJson({ age: '7' }), path: '/validated' },
    (t, { status, text }) => t.same([status, text], [422, 'How old?']),
  ],
  [
    'a form',
    { method: 'POST', path: '/form', body: new URLSearchParams('a=1&a=2&b=%26+%C3%A4') },
    (t, { json }) => t.same(json, { a: ['1', '2'], b: '& ä' }),
  ],
  [
    'a form with a file',
    {
      method: 'POST',
      path: '/multipart',
      headers: { 'content-type': multipartType },
      body: multipartBytes,
    },
    (t, { json }) =>
      t.match(json, {
        note: 'ä ö\r\n"quoted"',
        name: 'a b.bin',
        type: 'image/x-raw',
        sha256: sha256(BIG_BODY.subarray(0, 300_000)),
      }),
  ],
  [
    'text',
    { method: 'POST', path: '/text', headers: { 'content-type': 'text/plain' }, body: 'größe' },
    (t, { text }) => t.equal(text, 'GRÖSSE'),
  ],
  ['no body', { method: 'POST', path: '/text' }, (t, { text }) => t.equal(text, '')],
  [
    'every byte',
    { method: 'POST', path: '/bytes', body: Uint8Array.from({ length: 256 }, (_, byte) => byte) },
    (t, { bytes }) => t.same([...bytes], [...Array(256).keys()]),
  ],
  ...[0, 1, 65_536, 65_537, BIG_BODY.length].flatMap((bytes) =>
    [false, true].map(
      (isChunked): RouteTest => [
        `a body of ${bytes} bytes, ${isChunked ? 'in pieces' : 'of known length'}`,
        { method: 'POST', path: '/digest', body: BIG_BODY.slice(0, bytes), isChunked },
        (t, { json }) => t.same(json, { bytes, sha256: sha256(BIG_BODY.subarray(0, bytes)) }),
      ],
    ),
  ),
  [
    'a body that nobody reads',
    { method: 'POST', path: '/ignored', body: BIG_BODY },
    (t, { text }) => t.equal(text, 'I did not read it.'),
  ],
  [
    'a body that is sent back as it comes',
    { method: 'POST', path: '/echo', body: BIG_BODY, isChunked: true },
    (t, { bytes }) => t.ok(bytes.equals(BIG_BODY)),
  ],
  [
    'a body within the limit of a middleware',
    { method: 'POST', path: '/limited', body: 'x'.repeat(1_000) },
    isOk,
  ],
  ...[false, true].map(
    (isChunked): RouteTest => [
      `a body beyond it${isChunked ? ', in pieces' : ''}`,
      { method: 'POST', path: '/limited', body: 'x'.repeat(1_001), isChunked },
      (t, { status }) => t.equal(status, 413),
    ],
  ),

  [
    'HTML',
    { path: '/html?name=%3Cb%3E' },
    (t, { text, headers }) => {
      t.equal(text, '<h1>&lt;b&gt;</h1>')
      t.match(headers.get('content-type'), /^text\/html/)
    },
  ],
  ['pretty JSON', { path: '/pretty?pretty' }, (t, { text }) => t.match(text, '{\n  "a": [\n')],
  ['a big answer', { path: '/big' }, (t, { bytes }) => t.ok(bytes.equals(BIG_BODY))],
  ['a big stream', { path: '/big/stream' }, (t, { bytes }) => t.ok(bytes.equals(BIG_BODY))],
  ['a stream of text', { path: '/stream/text' }, (t, { text }) => t.equal(text, 'one\nzwei\n三\n')],
  [
    'a stream of events',
    { path: '/stream/events', headers: { accept: 'text/event-stream' } },
    (t, { text, headers }) => {
      t.equal(headers.get('content-type'), 'text/event-stream')
      t.match(text, /^event: tick\ndata: line 0\ndata: and another\nid: 0\n\n/)
      t.match(text, /data: done\nretry: 1000\n\n$/)
    },
  ],
  ['a stream of nothing', { path: '/stream/empty' }, (t, { bytes }) => t.equal(bytes.length, 0)],
  [
    'a compressed answer',
    { path: '/compressed', headers: { 'accept-encoding': 'gzip' } },
    (t, { bytes, headers }) => {
      t.equal(headers.get('content-encoding'), 'gzip')
      t.equal(gunzipSync(bytes).toString(), 'x'.repeat(10_000))
    },
  ],
  [
    'to a client that takes none',
    { path: '/compressed' },
    (t, { text }) => t.equal(text.length, 10_000),
  ],
  [
    'a content-type of its own',
    { path: '/types' },
    (t, { headers }) => t.equal(headers.get('content-type'), 'application/problem+json'),
  ],

  [
    'cookies of a request',
    { path: '/cookies', headers: { cookie: 'a=1; b=%C3%A4; c="q"' } },
    (t, { json }) => t.same(json, { a: '1', b: 'ä', c: 'q' }),
  ],
  [
    'cookies of an answer, one header each',
    { path: '/cookies/set' },
    (t, { headers }) => {
      const cookies = headers.getSetCookie()
      t.equal(cookies.length, 4)
      t.equal(cookies[0], 'plain=a%20b; Path=/')
      t.match(cookies[1], /^strict=yes; Max-Age=60;.* HttpOnly; SameSite=Strict$/)
      t.match(cookies[3], /^old=; Max-Age=0/)
    },
  ],
  [
    'a signed cookie',
    { path: '/cookies/signed', headers: { cookie: `signed=${SIGNED}` } },
    (t, { json }) => t.same(json, { signed: 'sealed' }),
  ],
  [
    'a signed cookie that is forged',
    { path: '/cookies/signed', headers: { cookie: `signed=sealed.${'A'.repeat(43)}%3D` } },
    (t, { json }) => t.same(json, { signed: false }),
  ],

  ...[200, 201, 202, 204, 205, 304, 400, 404, 410, 418, 451, 500, 503, 599].map(
    (code): RouteTest => [
      `the status ${code}`,
      { path: `/status/${code}` },
      (t, { status, bytes }) => t.same([status, bytes.length], [code, 0]),
    ],
  ),
  [
    'a redirect',
    { path: '/redirect' },
    (t, { status, headers }, base) => {
      t.equal(status, 302)
      t.equal(headers.get('location'), `${base}/hello/again?x=1`)
    },
  ],
  ...[301, 307, 308].map(
    (code): RouteTest => [
      `a redirect with ${code}`,
      { path: `/redirect/${code}` },
      (t, { status, headers }) =>
        t.same([status, headers.get('location')], [code, 'https://elsewhere.test/']),
    ],
  ),
  [
    'a redirect after POST',
    { method: 'POST', path: '/redirect', body: new URLSearchParams('a=1') },
    (t, { status }) => t.equal(status, 303),
  ],
  [
    'headers that repeat, and one that is empty',
    { path: '/repeated' },
    (t, { headers }) => {
      t.equal(headers.get('link'), '</a>; rel="preload", </b>; rel="preload"')
      t.equal(headers.get('x-empty'), '')
      t.equal(headers.get('x-order'), 'first, last')
    },
  ],
  [
    'a header whose value is the name of another',
    { path: '/expose' },
    (t, { text, headers }) => {
      t.equal(text, 'exposed')
      t.equal(headers.get('content-length'), '7')
      t.equal(headers.get('access-control-expose-headers'), 'content-length')
    },
  ],
  [
    'headers of a middleware',
    { path: '/secure' },
    (t, { headers }) => t.equal(headers.get('x-frame-options'), 'SAMEORIGIN'),
  ],

  [
    'CORS: what a page may read',
    { path: '/api/data', headers: { origin: 'https://page.test' } },
    (t, { json, headers }) => {
      t.same(json, { data: 1 })
      t.equal(headers.get('access-control-allow-origin'), 'https://page.test')
      t.equal(headers.get('access-control-allow-credentials'), 'true')
    },
  ],
  [
    'CORS: what it asks first',
    {
      method: 'OPTIONS',
      path: '/api/data',
      headers: {
        origin: 'https://page.test',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type, x-own',
      },
    },
    (t, { status, headers }) => {
      t.equal(status, 204)
      t.match(headers.get('access-control-allow-methods'), /POST/)
      t.match(headers.get('access-control-allow-headers'), /x-own/)
      t.equal(headers.get('access-control-max-age'), '60')
    },
  ],
  [
    'basic authentication: nobody',
    { path: '/admin/panel' },
    (t, { status, headers }) => {
      t.equal(status, 401)
      t.match(headers.get('www-authenticate'), /^Basic realm=/)
    },
  ],
  [
    'basic authentication: who may',
    { path: '/admin/panel', headers: { authorization: `Basic ${btoa('ann:p:w')}` } },
    (t, { text }) => t.equal(text, 'panel'),
  ],
  [
    'basic authentication: who may not',
    { path: '/admin/panel', headers: { authorization: `Basic ${btoa('ann:guess')}` } },
    (t, { status }) => t.equal(status, 401),
  ],
  [
    'a token that is no business of the gateway: none',
    { path: '/private/data' },
    (t, { status, headers }) => {
      t.equal(status, 401)
      t.match(headers.get('www-authenticate'), /^Bearer realm=""/)
    },
  ],
  [
    'the right one',
    { path: '/private/data', headers: { authorization: 'Bearer not-a-jwt' } },
    (t, { text }) => t.equal(text, 'private'),
  ],
  [
    'another one',
    { path: '/private/data', headers: { authorization: 'Bearer guess' } },
    (t, { status, headers }) => {
      t.equal(status, 401)
      t.match(headers.get('www-authenticate'), /invalid_token/)
    },
  ],
  [
    'an ETag',
    { path: '/tagged/page' },
    (t, { status, headers }) => t.same([status, headers.get('etag')], [200, TAG]),
  ],
  ...[TAG, `W/${TAG}`, `"x", ${TAG}`].map(
    (value): RouteTest => [
      `If-None-Match: ${value.replace(TAG, '"..."')}`,
      { path: '/tagged/page', headers: { 'if-none-match': value } },
      (t, { status, bytes, headers }) =>
        t.same([status, bytes.length, headers.get('etag')], [304, 0, TAG]),
    ],
  ),
  [
    'If-None-Match of another',
    { path: '/tagged/page', headers: { 'if-none-match': '"x"' } },
    (t, { text }) => t.equal(text, TAGGED_PAGE),
  ],
  [
    'a form of a page elsewhere',
    {
      method: 'POST',
      path: '/guarded',
      headers: { origin: 'https://elsewhere.test' },
      body: new URLSearchParams('a=1'),
    },
    (t, { status }) => t.equal(status, 403),
  ],
  [
    'a form of its own page',
    {
      method: 'POST',
      path: '/guarded',
      headers: { origin: `http://${HOST}` },
      body: new URLSearchParams('a=1'),
    },
    (t, { json }) => t.same(json, { a: '1' }),
  ],

  [
    'an error, as the application answers it',
    { path: '/throws' },
    (t, { status, json }) => t.same([status, json], [500, { error: 'a fault' }]),
  ],
  [
    'an error with a status',
    { path: '/throws/http' },
    (t, { status, text }) => t.same([status, text], [409, 'Twice.']),
  ],
  [
    'an error that is an answer',
    { path: '/throws/response' },
    (t, { text, headers }) => t.same([text, headers.get('x-price')], ['Pay.', '1']),
  ],
  [
    'what is not there',
    { path: '/no/where' },
    (t, { status, json }, base) =>
      t.same([status, json], [404, { missing: `${base}/no/where`, method: 'GET' }]),
  ],
]

function isOk(t: Test, { status }: Answer): void {
  t.equal(status, 200)
}
