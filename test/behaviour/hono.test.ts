// An application's own tests of its routes, with the application called directly and behind the gateway, at the
// root and below a prefix: it cannot tell the difference, and neither can they.

import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Hono } from 'hono'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { honoApp } from '../support/hono-app.js'
import { type Answer, type Ask, HOST, ROUTES } from '../support/hono-routes.js'
import { System, streamOf } from '../support/system.js'

/** About the connection or the call, or of the moment. */
const NOT_OF_THE_APPLICATION = [
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
  'x-call-id',
]
const PIECE_BYTES = 100_000

const system = await System.start(t)

const MOUNTED = ['', '/mounted'].map((base) => ({
  name: base.slice(1) || 'root',
  base,
  app: honoApp(base),
}))
for (const { name, base, app } of MOUNTED) {
  await system.serve(
    defineFunction({
      name,
      route: `${base}/*`,
      auth: 'public',
      maxInputs: 4,
      fetch: (request) => app.fetch(request),
    }),
  )
}

for (const { name, base, app } of MOUNTED) {
  t.test(`an application at ${base || 'the root'}`, async (t) => {
    for (const [name, ask, check] of ROUTES) {
      await t.test(name, async (t) => {
        const direct = await askApp(app, base, ask)
        const served = await askGateway(base, ask)
        check(t, direct, base)
        check(t, served, base)
        t.equal(served.status, direct.status)
        t.same(headersOf(served), headersOf(direct))
        t.ok(served.bytes.equals(direct.bytes), 'the same bytes')
      })
    }
    await system.atRest(name)
    const { started, succeeded } = (await system.state(name)).counters
    t.equal(succeeded, started)
  })
}

async function askApp(app: Hono, base: string, ask: Ask): Promise<Answer> {
  const { method, headers, body } = await requestOf(ask)
  headers.set('host', HOST)
  const init = ask.isChunked
    ? { method, headers, body: streamOf(piecesOf(body!)), duplex: 'half' }
    : { method, headers, ...(body === null ? {} : { body }) }
  const response = await app.request(`http://${HOST}${base}${ask.path}`, init as RequestInit)
  return answerOf(response.status, response.headers, Buffer.from(await response.arrayBuffer()))
}

/** By the client of Node that leaves an answer as it is. */
async function askGateway(base: string, ask: Ask): Promise<Answer> {
  const { method, headers, body } = await requestOf(ask)
  const request = httpRequest(`${system.url}${base}${ask.path}`, { method, agent: false })
  request.setHeader('host', HOST)
  for (const [name, value] of headers) request.setHeader(name, value)
  if (body !== null && !ask.isChunked) request.setHeader('content-length', body.length)
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  // An answer may come before the whole body was sent, and the connection end behind it.
  request.on('error', () => {})
  for (const piece of body === null ? [] : piecesOf(body)) request.write(piece)
  request.end()
  const [response] = await answered
  const answerHeaders = new Headers()
  for (let at = 0; at < response.rawHeaders.length; at += 2) {
    answerHeaders.append(response.rawHeaders[at]!, response.rawHeaders[at + 1]!)
  }
  return answerOf(response.statusCode!, answerHeaders, await buffer(response))
}

/** What fetch makes of it: some bodies have a content-type of their own. */
async function requestOf({ method = 'GET', headers, body }: Ask) {
  const made = new Response(body ?? null)
  return {
    method,
    headers: new Headers({ ...Object.fromEntries(made.headers), ...headers }),
    body: body === undefined ? null : new Uint8Array(await made.arrayBuffer()),
  }
}

function piecesOf(body: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < body.length; at += PIECE_BYTES) {
    pieces.push(body.subarray(at, at + PIECE_BYTES))
  }
  return pieces
}

function answerOf(status: number, headers: Headers, bytes: Buffer): Answer {
  return {
    status,
    headers,
    bytes,
    get text() {
      return bytes.toString('utf8')
    },
    get json() {
      return JSON.parse(bytes.toString('utf8')) as unknown
    },
  }
}

function headersOf({ headers }: Answer): [name: string, value: string][] {
  return [...headers].filter(([name]) => !NOT_OF_THE_APPLICATION.includes(name))
}
