// What is wrong with a request is answered with a problem document, and costs nothing afterwards: no
// slot, no call in flight, and (where the request could be read to its end) not even the connection.

import t, { type Test } from 'tap'
import { z } from 'zod'
import { defineFunction } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const system = await System.start(t)
await system.serveExamples('hello', 'tokens', 'fail')
await system.serve(
  defineFunction({
    name: 'order',
    auth: 'public',
    input: z.object({
      item: z.object({ name: z.string(), sizes: z.array(z.int().max(9)) }),
      count: z.int(),
    }),
    run: (order) => order,
  }),
)
await system.serve(
  defineFunction({
    name: 'items',
    route: ['GET /items/:id', 'PUT /items/:id'],
    auth: 'public',
    run: (_input, { params }) => params,
  }),
)
await system.serve(
  defineFunction({
    name: 'any',
    route: '/any/*',
    auth: 'public',
    maxInputs: 10,
    fetch: (request) => Response.json(Object.fromEntries(request.headers)),
  }),
)
const THROWN: Record<string, unknown> = {
  error: new Error('secret'),
  text: 'secret',
  undefined: undefined,
  object: { message: 'secret' },
}
await system.serve(
  defineFunction({
    name: 'throws',
    route: ['GET /throws/:what'],
    auth: 'public',
    run: (_input, { params }) => {
      throw THROWN[params.what!]
    },
  }),
)
const post = (path: string, value: unknown) => system.post(path, value)

t.afterEach(() => system.atRest())

async function problem(t: Test, response: Response): Promise<Record<string, unknown>> {
  t.equal(response.headers.get('content-type'), 'application/problem+json')
  const body = (await response.json()) as Record<string, unknown>
  t.equal(body.status, response.status)
  t.equal(body.callId, response.headers.get('x-call-id'))
  t.match(body, { type: 'about:blank', title: String, code: String, detail: /^[A-Z].*\.$/ })
  return body
}

t.test('JSON that is none: 400', async (t) => {
  const response = await system.fetch('/order', {
    method: 'POST',
    body: '{"count":',
    headers: { 'content-type': 'application/json' },
  })
  t.equal(response.status, 400)
  t.match(await problem(t, response), { code: 'bad_request', detail: /not valid JSON/ })
})

t.test('input that the schema refuses: 422, with every fault and its path', async (t) => {
  const response = await post('/order', { item: { sizes: [1, 10, 'x'] }, count: 1.5 })
  t.equal(response.status, 422)
  const { code, issues } = await problem(t, response)
  t.equal(code, 'invalid_input')
  const paths = (issues as { path: unknown[]; message: string }[]).map(({ path }) => path)
  t.same(paths, [['item', 'name'], ['item', 'sizes', 1], ['item', 'sizes', 2], ['count']])
})

t.test('no route: 404', async (t) => {
  for (const path of ['/nowhere', '/', '/hello/', '/items', '/items/1/2', '//hello']) {
    const response = await fetch(system.url + path)
    t.equal(response.status, 404, path)
    t.match(await problem(t, response), { code: 'not_found' })
  }
})

t.test('no such method: 405 that says which ones there are', async (t) => {
  const expected: [method: string, path: string, allow: string][] = [
    ['POST', '/hello', 'GET, HEAD'],
    ['GET', '/order', 'POST'],
    ['DELETE', '/items/7', 'GET, HEAD, PUT'],
  ]
  for (const [method, path, allow] of expected) {
    const response = await fetch(system.url + path, { method })
    t.equal(response.status, 405)
    t.equal(response.headers.get('allow'), allow)
    t.match(await problem(t, response), { code: 'method_not_allowed' })
  }
})

t.test('an escape that is none in a parameter: 400', async (t) => {
  const response = await fetch(`${system.url}/items/%zz`)
  t.equal(response.status, 400)
  t.match(await problem(t, response), { code: 'bad_request' })
})

t.test('a function that throws: 500, and nobody learns what', async (t) => {
  for (const what of Object.keys(THROWN)) {
    const response = await fetch(`${system.url}/throws/${what}`)
    t.equal(response.status, 500, what)
    const body = await problem(t, response)
    t.equal(body.code, 'function_failed')
    t.notMatch(JSON.stringify(body), 'secret')
  }
})

t.test('no runner in time: 503 with Retry-After', async (t) => {
  const queueWaitMs = 1_500
  const small = await System.start(t, {
    nats: system.nats,
    gateway: { queueWaitMs, maxQueued: 1 },
  })
  const runner = await small.serve(defineFunction({ name: 'absent', auth: 'public', run: () => 1 }))
  await runner.stop()
  await small.until('absent', ({ runners }) => runners.length === 0)
  const startedMs = performance.now()
  const waiting = small.post('/absent', 1)
  await small.until('absent', ({ queued }) => queued === 1)
  const full = await small.post('/absent', 1)
  t.match(await small.state('absent'), { queued: 1 }, 'the queue is full at once')
  const late = await waiting
  t.ok(performance.now() - startedMs >= queueWaitMs - 1)
  for (const response of [full, late]) {
    t.equal(response.status, 503)
    t.match(response.headers.get('retry-after'), /^[1-9][0-9]*$/)
    t.match(await problem(t, response), { code: 'no_capacity' })
  }
  const { counters } = await small.state('absent')
  t.match(counters, { started: 0, rejected: 2, inFlight: 0 })
})

t.test('a call that waits is served as soon as a runner is there', async (t) => {
  const definition = defineFunction({ name: 'late', auth: 'public', run: () => 'here' })
  const first = await system.serve(definition)
  await first.stop()
  await system.until('late', ({ runners }) => runners.length === 0)
  const waiting = post('/late', 1)
  await system.until('late', ({ queued }) => queued === 1)
  await system.serve(definition)
  t.equal(await (await waiting).text(), 'here')
})

t.test('every answer carries its own x-call-id', async (t) => {
  const responses = await Promise.all([
    fetch(`${system.url}/hello`),
    fetch(`${system.url}/hello`),
    fetch(`${system.url}/nowhere`),
    fetch(`${system.url}/hello`, { method: 'POST' }),
    post('/tokens', { count: 1 }),
    post('/tokens', {}),
    fetch(`${system.url}/whoami`),
  ])
  const ids = responses.map(({ headers }) => headers.get('x-call-id'))
  for (const id of ids) t.match(id, /^[\w-]{13,}$/)
  t.equal(new Set(ids).size, ids.length)
  await Promise.all(responses.map((response) => response.arrayBuffer()))
  for (const id of ids) t.equal(linesOf(id!).length, 1, 'and one line of the log')
})

t.test('traceparent and every other header reach the function', async (t) => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const response = await fetch(`${system.url}/any/`, {
    headers: { traceparent, 'X-Mixed-Case': 'Kept', cookie: 'a=b' },
  })
  t.match(await response.json(), { traceparent, 'x-mixed-case': 'Kept', cookie: 'a=b' })
})

t.test('a header that is not ASCII does not fail the function', async (t) => {
  // uWebSockets.js decodes header values as UTF-8, and `new Headers()` takes bytes only: a character above
  // U+00FF made every function with a look at its headers fail.
  for (const value of [Buffer.from('a日b'), Buffer.from('Zo\xebs', 'latin1')]) {
    const client = await system.connect()
    await client.write(
      Buffer.concat([
        Buffer.from('GET /any/ HTTP/1.1\r\nHost: x\r\nx-name: '),
        value,
        Buffer.from('\r\n\r\n'),
      ]),
    )
    t.equal((await client.answer())?.status, 200)
  }
})

t.test('a Host that is no host is the client’s fault', async (t) => {
  // `new Request('http://[::/')` throws: the function was blamed for it, with a 500.
  for (const host of ['[::', 'a:b', '1.2.3.4.5', ':80']) {
    const client = await system.connect()
    await client.write(`GET /any/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    t.not((await client.answer())?.status, 500, host)
  }
})

t.test('a Host that no URL may have gets no further', async (t) => {
  for (const host of ['a b/c?', 'u:p@x', '<script>', 'x/y', '[::1', 'a#b', 'a"b']) {
    const client = await system.connect()
    await client.write(`GET /any/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    t.equal((await client.answer())?.status, 400, host)
  }
  for (const host of ['x', 'x:80', '[::1]:8080', 'a-b.example.', '']) {
    const client = await system.connect()
    await client.write(`GET /any/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    t.equal((await client.answer())?.status, 200, host)
  }
})

t.test('bytes that are not UTF-8 are refused, in the query as in the path', async (t) => {
  // The engine decodes what it is given: the function saw U+FFFD, and could not tell what had been sent.
  for (const target of ['/any/\xff', '/any/?q=\xff', '/any/?q=\xc3', '/any/?\x80', '/hello?\xe4']) {
    const client = await system.connect()
    await client.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const answer = (await client.answer())!
    t.equal(answer.status, 400, target)
    t.match(JSON.parse(answer.body.toString()), { code: 'bad_request' })
  }
  // Many clients escape nothing that a person has typed.
  for (const target of ['/any/?q=%ff&r=~!|{}', '/any/?q=\xc3\xa4']) {
    const client = await system.connect()
    await client.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.equal((await client.answer())?.status, 200)
  }
})

t.test('a method that fetch forbids is not allowed', async (t) => {
  // An ANY route took every word for a method, and `new Request()` throws for these two.
  for (const method of ['TRACE', 'CONNECT']) {
    const client = await system.connect()
    await client.write(`${method} /any/ HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.equal((await client.answer())?.status, 405, method)
  }
})

t.test('a function that throws null has failed, too', async (t) => {
  // `null` stood for "no error": no ERROR frame was sent, and the client waited for the deadline.
  await system.serve(
    defineFunction({
      name: 'null',
      auth: 'public',
      run: () => Promise.reject(null),
    }),
  )
  t.equal((await post('/null', 1)).status, 500)
})

t.test('more faults than a message holds are still answered', async (t) => {
  // An ERROR frame above max_payload was not sent at all: the client waited for the deadline, its slot
  // with it.
  await system.serve(
    defineFunction({
      name: 'numbers',
      auth: 'public',
      input: z.array(z.number()),
      run: () => 1,
    }),
  )
  const response = await post('/numbers', new Array(20_000).fill('x'))
  t.equal(response.status, 422)
  t.ok(((await response.json()).issues ?? []).length > 0)
})

t.test('a form that repeats a name is read in linear time', async (t) => {
  // Each repetition copied the values so far: 80 KB of `a=1&` kept a runner busy for seven seconds, and
  // bodies may have 100 MiB.
  await system.serve(
    defineFunction({ name: 'form', auth: 'public', run: (form) => (form as { a: [] }).a.length }),
  )
  const repeats = 20_000
  const before = process.cpuUsage()
  const response = await system.fetch('/form', {
    method: 'POST',
    body: 'a=1&'.repeat(repeats),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  t.equal(await response.json(), repeats)
  // Client, gateway and runner are this process.
  const { user, system: kernel } = process.cpuUsage(before)
  t.ok(user + kernel < 3_000_000, `${user + kernel} µs of CPU`)
})

function linesOf(callId: string): string[] {
  return system.logLines.filter((line) => line.includes(`"callId":"${callId}"`))
}
