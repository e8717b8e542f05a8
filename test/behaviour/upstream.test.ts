// Functions that answer with what they have fetched from another server: `return fetch(upstream)`.
//
// Node's fetch decodes a body and leaves its headers as they were: clients were told that plain bytes are
// gzip, and that there are as many as the compressed ones.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const SMALL = Buffer.from('hello')
/** Comes in many pieces, and is larger than any compressed form of it. */
const LARGE = Buffer.alloc(1_000_000, 'hello, hello, hello! ')

/** zstd of SMALL: one raw block. Not every Node can make it. */
const ZSTD = Buffer.concat([Buffer.from('28b52ffd2005290000', 'hex'), SMALL])

const BODIES: Record<string, [encoding: string, bytes: Buffer]> = {
  gzip: ['gzip', gzipSync(SMALL)],
  'gzip-large': ['GZIP', gzipSync(LARGE)],
  'x-gzip': ['x-gzip', gzipSync(SMALL)],
  br: ['br', brotliCompressSync(SMALL)],
  deflate: ['deflate', deflateSync(SMALL)],
  twice: ['deflate, gzip', gzipSync(deflateSync(SMALL))],
  zstd: ['zstd', ZSTD],
  unknown: ['gzip, secret', Buffer.from('unknown')],
}

const upstream = createServer((request, response) => {
  const [encoding, bytes] = BODIES[request.url!.slice(1)]!
  response.writeHead(200, {
    'content-encoding': encoding,
    'content-length': bytes.length,
    etag: '"1"',
  })
  response.end(bytes)
}).listen(0)
await once(upstream, 'listening')
t.teardown(() => upstream.close())
const upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`

const system = await System.start(t)
await system.serve(
  defineFunction({
    name: 'proxy',
    route: ['GET /proxy/:kind', 'HEAD /proxy/:kind'],
    auth: 'public',
    maxInputs: 10,
    fetch: ({ method }, { params }) => fetch(`${upstreamUrl}/${params.kind}`, { method }),
  }),
)
await system.serve(
  defineFunction({
    name: 'own',
    route: 'GET /own',
    auth: 'public',
    fetch: () => new Response(gzipSync(LARGE), { headers: { 'content-encoding': 'gzip' } }),
  }),
)

/** The answer as it is on the wire: `fetch` would decode it. */
async function get(path: string, method = 'GET') {
  const client = await system.connect()
  await client.write(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  return (await client.answer({ isToHead: method === 'HEAD' }))!
}

for (const kind of ['gzip', 'gzip-large', 'x-gzip', 'br', 'deflate', 'twice']) {
  t.test(`${kind}: what fetch has decoded says no encoding, nor its length`, async (t) => {
    const { status, headers, body } = await get(`/proxy/${kind}`)
    const expected = kind === 'gzip-large' ? LARGE : SMALL
    t.equal(status, 200)
    t.equal(headers['content-encoding'], undefined)
    t.ok(expected.equals(body), `${body.length} bytes`)
    t.equal(headers.etag, '"1"', 'everything else stays')
  })
}

t.test('an encoding that fetch does not know stays, with its body', async (t) => {
  const { headers, body } = await get('/proxy/unknown')
  t.equal(headers['content-encoding'], 'gzip, secret')
  t.equal(body.toString(), 'unknown')
})

t.test('zstd: decoded or not, as this Node does, and never said wrongly', async (t) => {
  const { headers, body } = await get('/proxy/zstd')
  const isEncoded = headers['content-encoding'] === 'zstd'
  t.ok(body.equals(isEncoded ? ZSTD : SMALL), body.toString('hex'))
})

t.test('a request is passed on with its headers, without those of its connection', async (t) => {
  // Node's fetch throws at Connection, Keep-Alive, Upgrade and Expect: the client got a 500.
  const server = createServer((request, response) => {
    const heard = { headers: request.headers, body: '' }
    request.on('data', (bytes) => {
      heard.body += bytes
    })
    request.on('end', () => response.end(JSON.stringify(heard)))
  }).listen(0)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await system.serve(
    defineFunction({
      name: 'forward',
      route: ['GET /forward', 'POST /forward'],
      auth: 'public',
      fetch: ({ method, headers, body }) =>
        fetch(url, { method, headers, body, duplex: 'half' } as RequestInit),
    }),
  )
  const fields = {
    Host: 'x',
    Connection: 'keep-alive, X-Hop, te',
    'X-Hop': '1',
    'Keep-Alive': 'timeout=5',
    'Proxy-Connection': 'keep-alive',
    'Proxy-Authorization': 'Basic YTpi',
    TE: 'trailers',
    Trailer: 'x-checksum',
    Upgrade: 'h2c',
    'HTTP2-Settings': 'AAMAAABkAAQAAP__',
    'X-End': 'to end',
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  const client = await system.connect()
  const heard = async () => JSON.parse((await client.answer())!.body.toString())
  await client.write(`GET /forward HTTP/1.1\r\n${lines.join('')}\r\n`)
  const got = await heard()
  t.equal(got.headers['x-end'], 'to end')

  await client.write(
    `POST /forward HTTP/1.1\r\n${lines.join('')}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
  )
  t.equal((await client.head())?.status, 100)
  await client.write('hello')
  const posted = await heard()
  t.equal(posted.body, 'hello')
  t.equal(posted.headers['x-end'], 'to end')
  for (const { headers } of [got, posted]) {
    for (const name of Object.keys(fields).map((name) => name.toLowerCase())) {
      // Of its own connection Node's fetch says so itself.
      if (name === 'connection') t.equal(headers[name], 'keep-alive')
      else if (name !== 'host' && name !== 'x-end') t.equal(headers[name], undefined, name)
    }
    t.equal(headers.expect, undefined)
  }
})

t.test('HEAD has the headers of GET', async (t) => {
  const { status, headers } = await get('/proxy/gzip', 'HEAD')
  t.equal(status, 200)
  t.equal(headers['content-encoding'], undefined)
  t.equal(headers['content-length'], undefined, 'nobody knows how many bytes GET would have')
})

t.test('what the function has encoded itself is left alone', async (t) => {
  const { headers, body } = await get('/own')
  t.equal(headers['content-encoding'], 'gzip')
  t.ok(gzipSync(LARGE).equals(body))
})
