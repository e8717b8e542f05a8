// The clients of the scenarios against servers that answer wrongly: a load test that cannot fail
// proves nothing.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { WebSocketServer } from 'ws'
import { type BodiesLoad, type BodiesResult, GIB } from '../../loadtest/generators/bodies.js'
import type { EchoesLoad } from '../../loadtest/generators/echoes.js'
import type { LoadResult } from '../../loadtest/generators/load.js'
import { runGenerator } from '../../loadtest/generators/run-generator.js'
import { type TokensLoad, tokensEvents } from '../../loadtest/generators/tokens.js'
import { withTestbed } from '../../loadtest/testbed.js'

const BYTES = 1_000_003
const TOKENS = 5

test('uploads: the hash of every body is compared', async (t) => {
  const honest = digest((bytes) => createHash('sha256').update(bytes).digest('hex'))
  const right = await moveBodies(t, honest, { streams: 3 })
  t.equal(right.count, BYTES / GIB)
  t.same(right.errors, {})

  const wrong = await moveBodies(
    t,
    digest((bytes) => createHash('sha256').update(bytes.subarray(1)).digest('hex')),
  )
  t.same([wrong.count, wrong.errors], [0, { 'wrong content': 1 }])
})

test('uploads: an early refusal and a closed connection are faults', async (t) => {
  const refused = await moveBodies(t, (request, response) => {
    // Unread bytes would reset the connection, and the answer with it.
    request.resume()
    response.writeHead(413).end()
  })
  // Which of the two it sees first is a race that TCP does not decide.
  t.equal((refused.errors['not 200'] ?? 0) + (refused.errors['cut short'] ?? 0), 1)
  const cut = await moveBodies(t, (request) => request.once('data', () => request.socket.destroy()))
  t.same(cut.errors, { 'cut short': 1 })
})

test('downloads: every byte is compared', async (t) => {
  const pattern = Uint8Array.from({ length: BYTES }, (_, index) => index % 251)
  const serve =
    (body: Uint8Array): RequestListener =>
    (_request, response) => {
      response.writeHead(200, { 'content-length': BYTES }).end(body)
    }
  const download = { direction: 'download' } as const
  const right = await moveBodies(t, serve(pattern), download)
  t.same([right.count, right.errors], [BYTES / GIB, {}])

  const altered = Uint8Array.from(pattern)
  altered[BYTES - 2] = 255
  t.same((await moveBodies(t, serve(altered), download)).errors, { 'wrong content': 1 })

  const cutting: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-length': BYTES }).write(pattern.subarray(0, 1000))
    setTimeout(() => response.destroy(), 100)
  }
  t.same((await moveBodies(t, cutting, download)).errors, { 'cut short': 1 })
})

test('event streams: right tokens are counted, wrong and missing ones are told', async (t) => {
  const events = tokensEvents(TOKENS)
  const right = await readTokens(t, events, true)
  t.equal(right.count, 2 * TOKENS)
  t.same(faultsOf(right), {})
  t.ok(right.p50Ms > 0 && right.p50Ms <= right.p99Ms)

  const swapped = [events[1]!, events[0]!, ...events.slice(2)]
  t.same(faultsOf(await readTokens(t, swapped, true)), { wrong: 4 })
  t.same(faultsOf(await readTokens(t, events.slice(0, 3), true)), { missing: 4 })
  t.same(faultsOf(await readTokens(t, [...events, events[0]!], true)), { wrong: 2 })
  t.same(faultsOf(await readTokens(t, events, false)), { 'without an end': 2 })
})

test('event streams: as long as the round is, a stream follows a stream on its connection', async (t) => {
  const asked = new Map<unknown, number>()
  const server = createServer(({ socket }, response) => {
    const count = (asked.get(socket) ?? 0) + 1
    asked.set(socket, count)
    if (count > 3) return socket.destroy()
    for (const event of tokensEvents(TOKENS)) response.write(`${event}\n\n`)
    response.end()
  })
  const result = await runTokens(await listening(t, server), 60)
  t.same([...asked.values()], [4, 4])
  t.equal(result.count, 2 * 3 * TOKENS)
  t.same(faultsOf(result), { refused: 2, missing: 2 * TOKENS })
})

test('event streams: a refused stream misses all its tokens', async (t) => {
  const origin = await listening(
    t,
    createServer((_request, response) => response.writeHead(503).end()),
  )
  const result = await runTokens(origin)
  t.same([result.count, faultsOf(result)], [0, { refused: 2, missing: 2 * TOKENS }])
})

test('WebSockets: wrong, lost and superfluous echoes are told', async (t) => {
  const right = await echo(t, (text) => [text])
  t.equal(right.count, 6)
  t.same(faultsOf(right), {})
  t.same(faultsOf(await echo(t, (text) => [text.toUpperCase()])), { wrong: 6 })
  // The second echo of a message arrives as if it were the answer to the next.
  t.ok((await echo(t, (text) => [text, text])).errors.wrong! > 0)
  t.same(faultsOf(await echo(t, () => [])), { 'closed early with 1000': 2, lost: 6 })
})

async function moveBodies(
  t: Test,
  listener: RequestListener,
  part: Partial<BodiesLoad> = {},
): Promise<BodiesResult> {
  const url = await listening(t, createServer(listener))
  const load: BodiesLoad = {
    ...{ url, headers: {}, direction: 'upload', bytes: BYTES, streams: 1, isHashed: true },
    ...part,
  }
  return run<BodiesResult>('generators/bodies-process', load)
}

function digest(hash: (bytes: Buffer) => string): RequestListener {
  return async (request, response) => {
    const bytes = Buffer.concat(await request.toArray())
    response.end(JSON.stringify({ bytes: bytes.byteLength, sha256: hash(bytes) }))
  }
}

async function readTokens(t: Test, events: readonly string[], ends: boolean): Promise<LoadResult> {
  const listener: RequestListener = (_request, response) => {
    for (const event of events) response.write(`${event}\n\n`)
    if (ends) response.end()
    else setTimeout(() => response.destroy(), 100)
  }
  return runTokens(await listening(t, createServer(listener)))
}

function runTokens(origin: string, seconds = 0): Promise<LoadResult> {
  const load: TokensLoad = {
    ...{ url: origin, headers: {}, streams: 2 },
    ...{ tokens: TOKENS, intervalMs: 0, seconds },
  }
  return run<LoadResult>('generators/tokens-process', load)
}

/** Two sockets of three messages; one that gets no echo is closed. */
async function echo(t: Test, answersTo: (text: string) => string[]): Promise<LoadResult> {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      const answers = answersTo(String(data))
      for (const answer of answers) socket.send(answer)
      if (answers.length === 0) socket.close(1000)
    })
  })
  const url = (await listening(t, server)).replace('http', 'ws')
  const load: EchoesLoad = { url, headers: {}, sockets: 2, messages: 3 }
  return run<LoadResult>('generators/echoes-process', load)
}

async function listening(t: Test, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function run<Result>(name: string, load: object): Promise<Result> {
  const { signal } = new AbortController()
  return withTestbed(signal, (testbed) => runGenerator<Result>(testbed, name, load, 20_000))
}

function faultsOf({ errors }: LoadResult): Record<string, number> {
  return Object.fromEntries(Object.entries(errors).filter(([, count]) => count > 0))
}
