// Requests as bytes on a socket: what is ambiguous is refused and the connection closed, because whoever
// stands in front may have read it otherwise; what is valid is served however it is cut.

import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const system = await System.start(t)
await system.serveExamples('hello', 'echo')
const bodies: string[] = []
await system.serve(
  defineFunction({
    name: 'sink',
    route: '/sink/*',
    auth: 'public',
    maxInputs: 10,
    fetch: async (request) => {
      bodies.push(await request.text())
      return Response.json({ method: request.method, body: bodies.at(-1) })
    },
  }),
)

t.beforeEach(() => void bodies.splice(0))
t.afterEach(() => system.atRest())

const AMBIGUOUS = [
  'Content-Length: 5\r\nContent-Length: 5',
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: 5, 5',
  'Content-Length: ',
  'Content-Length: \r\nContent-Length: 5',
  'Content-Length: 5\r\nContent-Length: ',
  'Content-Length: +5',
  'Content-Length: -5',
  'Content-Length: 0x5',
  'Content-Length: 5e0',
  'Content-Length: 5 5',
  'Content-Length: 99999999999999999999',
  'Content-Length : 5',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedchunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: ',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding: chunked\r\nContent-Length: 5',
  'Content-Length: 5\r\nTransfer-Encoding: chunked',
]

for (const fields of AMBIGUOUS) {
  const request = `POST /sink/ HTTP/1.1\r\nHost: x\r\n${fields}\r\n\r\n`
  const body = fields.startsWith('Content-Length') ? 'hello' : '5\r\nhello\r\n0\r\n\r\n'

  t.test(`${JSON.stringify(fields)} is refused, and the connection closed`, async (t) => {
    const client = await system.connect()
    await client.write(request + body)
    t.equal((await client.answer())?.status, 400)
    await client.closed
    t.same(bodies, [], 'the function never heard of it')
  })

  t.test(`nothing behind ${JSON.stringify(fields)} is a request`, async (t) => {
    // The 400 was given while the engine still read: it went on to the next request in its buffer, took
    // back that the connection was to be closed, and the function ran.
    const client = await system.connect()
    await client.write(`${request}${body}GET /sink/smuggled HTTP/1.1\r\nHost: x\r\n\r\n`)
    const answer = await client.answer()
    t.ok(answer === null || answer.status === 400)
    t.equal(await client.answer(), null)
    t.same(bodies, [], 'the function never heard of it')
  })
}

// The engine's own doing, which is tested because the route depends on it: RFC 9112, 3.2.
for (const hosts of [
  'Host: x\r\nHost: y',
  'Host: x\r\nHost: x',
  'Host: x\r\nhost: y',
  'Host: x\r\nHost: ',
  'Host: \r\nHost: x',
  'Host: x\r\nX-Other: 1\r\nHOST: y',
  'X-Other: 1',
]) {
  t.test(`${JSON.stringify(hosts)} is refused, and nothing behind it is a request`, async (t) => {
    const client = await system.connect()
    const rest = 'GET /sink/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
    await client.write(`GET /sink/ HTTP/1.1\r\n${hosts}\r\n\r\n${rest}`)
    t.equal((await client.answer())?.status, 400)
    await client.closed
    t.equal(await client.answer(), null)
    t.same(bodies, [], 'the function never heard of it')
  })
}

t.test('a path with a byte that no path may have is refused', async (t) => {
  for (const path of ['/sink/\x01', '/sink/\x7f', '/sink/\xe4', '/sink/\xff', '/hello\x80']) {
    const client = await system.connect()
    await client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const answer = await client.answer()
    // 505 is the engine's own answer to a control byte: it takes what follows for the version.
    t.ok(answer?.status === 400 || answer?.status === 505, path)
  }
  t.same(bodies, [])
})

t.test('and its connection is closed', async (t) => {
  for (const path of ['/sink/\x7f', '/sink/\xe4', '/hello\x80']) {
    const client = await system.connect()
    await client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.equal((await client.answer())?.status, 400)
    await client.write('GET /hello HTTP/1.1\r\nHost: x\r\n\r\n')
    t.equal(await client.answer(), null, path)
  }
})

t.test('a request that comes byte by byte is served', async (t) => {
  const client = await system.connect()
  const requests = [
    'PUT /sink/?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello',
    'POST /sink/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello',
    'POST /sink/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n',
  ]
  for (const request of requests) {
    for (const byte of request) await client.write(byte)
    const answer = await client.answer()
    t.match(answer?.body.toString(), /^{"method":"(PUT|POST)","body":"hello"}$/)
  }
})

t.test('a request is served wherever it is cut in two', async (t) => {
  const client = await system.connect()
  const requests = [
    'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /sink/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello',
    'POST /sink/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n',
  ]
  for (const request of requests) {
    for (let at = 1; at < request.length; at++) {
      await client.write(request.slice(0, at))
      // A turn of the event loop on both sides, so that the halves are read apart.
      await new Promise((resolve) => setImmediate(resolve))
      await client.write(request.slice(at))
      const answer = await client.answer()
      if (answer?.status !== 200 || !answer.isWhole) t.fail(`cut at ${at}: ${answer?.status}`)
    }
  }
  t.pass()
})

t.test('a body in two pieces after a token that must be verified', async (t) => {
  // The first piece came while the token was being verified, so the socket was paused; where the length
  // was declared and small nothing resumed it, and the call waited for ever.
  const client = await system.connect()
  const token = await system.token()
  await client.write(
    `POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n"he`,
  )
  await new Promise((resolve) => setTimeout(resolve, 100))
  await client.write('llo"')
  t.equal((await client.answer())?.body.toString(), 'hello')
})

t.test('after a 401 the rest of the body is read and dropped', async (t) => {
  // As above: paused while its token was verified, and never resumed; the next request on the
  // connection was never read.
  const client = await system.connect()
  const token = await system.token({ ttl: '-1h' })
  await client.write(
    `POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 4\r\n\r\nab`,
  )
  t.equal((await client.answer())?.status, 401)
  await client.write('cdGET /hello HTTP/1.1\r\nHost: x\r\n\r\n')
  t.equal((await client.answer())?.status, 200)
})

t.test(
  'a request that does not wait for the answer before is cut off, and never mixed',
  async (t) => {
    // The engine closes a connection whose next request is there before the answer to the one before.
    const client = await system.connect()
    const request = 'POST /sink/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none'
    await client.write(request + request)
    t.notOk(await client.answer())
    await client.closed
  },
)

t.test(
  'a socket that leaves in the middle of a head or a body leaves nothing behind',
  async (t) => {
    const request = 'POST /sink/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello'
    for (let at = 1; at < request.length; at += 3) {
      const client = await system.connect()
      await client.write(request.slice(0, at))
      client.leave()
      await client.closed
    }
    t.same(bodies, [])
    t.equal((await fetch(`${system.url}/hello`)).status, 200)
  },
)
