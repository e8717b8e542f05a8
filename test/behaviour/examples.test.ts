// Each example answers as its first lines say.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createParser } from 'eventsource-parser'
import { unpackMultiple } from 'msgpackr'
import t from 'tap'
import { System, streamOf } from '../support/system.js'

const system = await System.start(t)
await system.serveExamples(
  'hello',
  'echo',
  'whoami',
  'tokens',
  'sleep',
  'fail',
  'digest',
  'download',
  'app',
)

t.test('hello greets everybody', async (t) => {
  const response = await fetch(`${system.url}/hello`)
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'application/json')
  t.same(await response.json(), { message: 'Hello, world!' })
})

t.test('echo says what it was told', async (t) => {
  const value = { text: 'ä\u2028€𝄞', list: [1, 2.5, null, true], nested: { empty: {} } }
  const response = await system.post('/echo', value)
  t.equal(response.status, 200)
  t.same(await response.json(), value)
})

t.test('whoami tells the claims of the token', async (t) => {
  const token = await system.token({ scope: 'a b', subject: 'zoe' })
  const response = await system.fetch('/whoami', { headers: { authorization: `Bearer ${token}` } })
  t.match(await response.json(), { sub: 'zoe', scope: 'a b', exp: Number, iat: Number })
})

const EXPECTED_TOKENS = [
  { index: 0, text: 'one' },
  { index: 1, text: 'two' },
  { index: 2, text: 'one' },
]
const TOKENS_REQUEST = { count: 3, text: 'one two' }

for (const accept of ['text/event-stream', '*/*']) {
  t.test(`tokens come as server-sent events to who accepts ${accept}`, async (t) => {
    const response = await system.post('/tokens', TOKENS_REQUEST, { headers: { accept } })
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), 'text/event-stream')
    t.equal(response.headers.get('cache-control'), 'no-cache')
    t.equal(response.headers.get('x-accel-buffering'), 'no')
    const values: unknown[] = []
    createParser({ onEvent: ({ data }) => values.push(JSON.parse(data)) }).feed(
      await response.text(),
    )
    t.same(values, EXPECTED_TOKENS)
  })
}

t.test('tokens come as lines of JSON', async (t) => {
  const headers = { accept: 'application/x-ndjson' }
  const response = await system.post('/tokens', TOKENS_REQUEST, { headers })
  t.equal(response.headers.get('content-type'), 'application/x-ndjson')
  const text = await response.text()
  t.ok(text.endsWith('\n'))
  t.same(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    EXPECTED_TOKENS,
  )
})

t.test('tokens come as one JSON array', async (t) => {
  const headers = { accept: 'application/json' }
  const response = await system.post('/tokens', TOKENS_REQUEST, { headers })
  t.equal(response.headers.get('content-type'), 'application/json')
  t.same(await response.json(), EXPECTED_TOKENS)
})

t.test('tokens come as msgpack values back to back', async (t) => {
  const headers = { accept: 'application/msgpack' }
  const response = await system.post('/tokens', TOKENS_REQUEST, { headers })
  t.equal(response.headers.get('content-type'), 'application/msgpack; stream=true')
  const bytes = new Uint8Array(await response.arrayBuffer())
  t.same(unpackMultiple(bytes), EXPECTED_TOKENS)
})

t.test('the first token is there before the last is made', async (t) => {
  // The last one is a quarter of an hour away.
  const response = await system.post('/tokens', { count: 10_000, intervalMs: 100, text: 'a b' })
  const reader = response.body!.getReader()
  const first = await reader.read()
  t.match(Buffer.from(first.value!).toString(), /^data: {"index":0,"text":"a"}\n\n/)
  const second = await reader.read()
  t.match(Buffer.from(second.value!).toString(), /^data: {"index":\d+,"text":"[ab]"}\n\n/)
  await reader.cancel()
})

t.test('sleep sleeps', async (t) => {
  const startedMs = performance.now()
  const response = await system.post('/sleep', { ms: 50 })
  t.same(await response.json(), { sleptMs: 50 })
  t.ok(performance.now() - startedMs >= 49)
})

t.test('fail hides the message of an error that is not public', async (t) => {
  const response = await system.post('/fail', { message: 'the password is 1234' })
  t.equal(response.status, 500)
  const text = await response.text()
  t.notMatch(text, /1234/)
  t.match(JSON.parse(text), { code: 'function_failed', status: 500 })
})

const STATUS_OF = {
  bad_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  invalid_input: 422,
  rate_limited: 429,
  function_failed: 500,
  unavailable: 503,
}

t.test('fail shows code and message of a public error', async (t) => {
  for (const [code, status] of Object.entries(STATUS_OF)) {
    const response = await system.post('/fail', { code, message: `because of ${code}` })
    t.equal(response.status, status, code)
    t.equal(response.headers.get('content-type'), 'application/problem+json')
    t.match(await response.json(), { status, code, detail: `because of ${code}` })
  }
})

t.test('digest reads every byte of a large body', async (t) => {
  for (const bytes of [0, 1, 65_536, 65_537, 5_000_000]) {
    const body = Buffer.alloc(bytes, 'callgate')
    const response = await system.fetch('/digest', { method: 'POST', body })
    t.same(await response.json(), { bytes, sha256: sha256(body) })
  }
})

t.test('digest reads a body of unknown length', async (t) => {
  const chunks = Array.from({ length: 40 }, (_, index) => Buffer.alloc(10_007, index))
  const response = await system.fetch('/digest', {
    method: 'POST',
    body: streamOf(chunks),
    duplex: 'half',
  } as RequestInit)
  t.same(await response.json(), { bytes: 400_280, sha256: sha256(Buffer.concat(chunks)) })
})

t.test('download sends as many bytes as were asked for, and says so first', async (t) => {
  for (const bytes of [0, 1, 251, 300_000, 3_000_000]) {
    const response = await system.fetch(`/download?bytes=${bytes}`)
    t.equal(response.headers.get('content-length'), String(bytes))
    t.equal(response.headers.get('transfer-encoding'), null)
    const body = new Uint8Array(await response.arrayBuffer())
    t.equal(body.length, bytes)
    t.ok(
      body.every((byte, index) => byte === index % 251),
      `${bytes} bytes are right`,
    )
  }
  const refused = await system.fetch('/download?bytes=many')
  t.equal(refused.status, 400)
  t.match((await refused.json()).detail, /Say how many bytes/)
})

t.test('a Hono application works as it does elsewhere', async (t) => {
  const get = (path: string, init?: RequestInit) => fetch(`${system.url}${path}`, init)

  const page = await get('/app?name=%3Cb%3E')
  t.match(page.headers.get('content-type'), /^text\/html/)
  const html = await page.text()
  t.match(html, '<h1>Hello, &lt;b&gt;!</h1>')
  t.match(html, `call ${page.headers.get('x-call-id')}`)

  const status = await get('/app/status')
  t.same(await status.json(), { ok: true, callId: status.headers.get('x-call-id') })

  const item = await get('/app/items/a%2Fb?x=1&y=%C3%A4')
  t.same(await item.json(), { id: 'a/b', query: { x: '1', y: 'ä' } })

  t.equal(await (await get('/app/count/3')).text(), '1\n2\n3\n')

  const first = await get('/app/visits')
  t.same(await first.json(), { visits: 1 })
  t.match(first.headers.get('set-cookie'), /^visits=1; Path=\/app; HttpOnly; SameSite=Lax/i)
  const again = await get('/app/visits', { headers: { cookie: 'a=b; visits=41' } })
  t.same(await again.json(), { visits: 42 })

  const message = { name: 'ann', text: 'hi' }
  const asJson = { method: 'POST', headers: { 'content-type': 'application/json' } }
  const posted = await get('/app/messages', { ...asJson, body: JSON.stringify(message) })
  t.equal(posted.status, 201)
  t.same(await posted.json(), message)
  const form = await get('/app/messages', { method: 'POST', body: new URLSearchParams(message) })
  t.same(await form.json(), message)
  const bad = await get('/app/messages', { ...asJson, body: '{' })
  t.equal(bad.status, 400)

  const missing = await get('/app/nowhere')
  t.equal(missing.status, 404)
  t.same(await missing.json(), { error: 'There is no page /app/nowhere here.' })
})

t.test('ocr reads a receipt', async (t) => {
  await system.serveExamples('ocr')
  const picture = await readFile(repositoryFile('examples/images/receipt.png'))
  const response = await system.fetch('/ocr', {
    method: 'POST',
    body: picture,
    headers: { 'content-type': 'image/png' },
  })
  t.equal(response.status, 200)
  const { lines, image } = await response.json()
  const texts = lines.map((line: { text: string }) => line.text)
  t.equal(texts[0], 'CORNER BAKERY')
  t.equal(texts.at(-1), 'Thank you, see you tomorrow!')
  t.match(texts.join(' '), 'TOTAL 30.30')
  t.ok(image.width > 0 && image.height > 0)
})

t.test('none of them kept a slot', async (t) => {
  await system.atRest()
  t.pass()
})

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function repositoryFile(path: string): URL {
  return new URL(`../../../${path}`, import.meta.url)
}
