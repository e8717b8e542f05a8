// The three clocks of a call, and the times that nobody set: a function may be silent for as long as its
// own clocks allow, however impatient the engine underneath is.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { System } from '../support/system.js'

/** The engine cuts a connection on which nothing has moved for 8 to 12 seconds. */
const LONGER_THAN_THE_ENGINE_MS = 12_500

const system = await System.start(t)

await system.serve(
  defineFunction({
    name: 'first',
    auth: 'public',
    maxInputs: 10,
    firstByteMs: 300,
    timeoutMs: 60_000,
    run: async (input, { signal }) => {
      const { waitMs, thenMs = 0 } = input as { waitMs: number; thenMs?: number }
      await delay(waitMs, undefined, { signal })
      return thenMs === 0 ? 'value' : slow(thenMs, signal)
    },
  }),
)
async function* slow(ms: number, signal: AbortSignal) {
  yield 'first'
  await delay(ms, undefined, { signal })
  yield 'second'
}

let stalledReason: unknown
await system.serve(
  defineFunction({
    name: 'idle',
    auth: 'public',
    maxInputs: 10,
    idleMs: 150,
    timeoutMs: 60_000,
    run: async function* (input, { signal }) {
      const { pauses } = input as { pauses: number[] }
      for (const pause of pauses) {
        yield { pause }
        try {
          await delay(pause, undefined, { signal })
        } catch (error) {
          stalledReason = signal.reason
          throw error
        }
      }
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'total',
    auth: 'public',
    maxInputs: 10,
    timeoutMs: 200,
    run: async function* (_input, { signal }) {
      for (let index = 0; ; index++) {
        yield index
        await delay(20, undefined, { signal })
      }
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'endless',
    auth: 'public',
    maxInputs: 10,
    timeoutMs: Number.POSITIVE_INFINITY,
    firstByteMs: Number.POSITIVE_INFINITY,
    idleMs: Number.POSITIVE_INFINITY,
    pingMs: Number.POSITIVE_INFINITY,
    run: async function* (input, { deadline, signal }) {
      const { ms } = input as { ms: number }
      yield { deadline: String(deadline) }
      await delay(ms, undefined, { signal })
      yield 'done'
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'pinged',
    auth: 'public',
    maxInputs: 10,
    pingMs: 50,
    run: async function* (input, { signal }) {
      const { ms } = input as { ms: number }
      yield 'first'
      await delay(ms, undefined, { signal })
      yield 'second'
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'pieces',
    auth: 'public',
    maxInputs: 10,
    pingMs: 40,
    // Events as bytes, cut where nobody should look for the end of one.
    fetch: () =>
      new Response(
        piecesOf(['data: one\n', '\ndata: tw', 'o\n\n', 'data: three\r\n\r', '\n'], 200),
        { headers: { 'content-type': 'text/event-stream; charset=utf-8', vary: 'accept' } },
      ),
  }),
)
function piecesOf(pieces: readonly string[], pauseMs: number): ReadableStream<Uint8Array> {
  const left = [...pieces]
  return new ReadableStream(
    {
      async pull(controller) {
        const piece = left.shift()
        if (piece === undefined) return controller.close()
        controller.enqueue(Buffer.from(piece))
        await delay(pauseMs)
      },
    },
    { highWaterMark: 0 },
  )
}
/** More than the kernel's buffers take from a client that does not read. */
const MANY_BYTES = 16 * 1024 * 1024
await system.serve(
  defineFunction({
    name: 'transfer',
    route: '/transfer/*',
    auth: 'public',
    maxInputs: 10,
    timeoutMs: 60_000,
    fetch: async (request) => {
      if (request.url.endsWith('/echo')) return new Response(request.body)
      if (request.method === 'POST') {
        let bytes = 0
        for await (const chunk of request.body!) bytes += chunk.length
        return Response.json({ bytes })
      }
      const chunk = Buffer.alloc(64 * 1024, 'x')
      let leftBytes = MANY_BYTES
      const body = new ReadableStream({
        pull(controller) {
          controller.enqueue(chunk)
          leftBytes -= chunk.length
          if (leftBytes === 0) controller.close()
        },
      })
      const length = { 'content-length': String(MANY_BYTES) }
      return new Response(body, { headers: request.url.endsWith('/known') ? length : {} })
    },
  }),
)

t.afterEach(() => system.atRest())

function post(path: string, value: unknown, accept = 'text/event-stream'): string {
  const body = JSON.stringify(value)
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

t.test('no first byte in time: 504', async (t) => {
  const startedMs = performance.now()
  const response = await system.post('/first', { waitMs: 10_000 })
  t.equal(response.status, 504)
  t.match(await response.json(), { code: 'first_byte_timed_out', detail: /300 ms/ })
  const tookMs = performance.now() - startedMs
  t.ok(tookMs >= 299 && tookMs < 2_000, `${tookMs} ms`)
})

t.test('a first byte in time, and the rest may take longer', async (t) => {
  const response = await system.post('/first', { waitMs: 0, thenMs: 500 })
  t.equal(response.status, 200)
  t.equal(await response.text(), 'data: "first"\n\ndata: "second"\n\n')
})

t.test('time in the queue is not the time to the first byte', async (t) => {
  // Ten at a time: the last one has waited longer than it may take.
  const calls = Array.from({ length: 40 }, () => system.post('/first', { waitMs: 100 }))
  for (const response of await Promise.all(calls)) {
    t.equal(response.status, 200)
    await response.text()
  }
})

t.test('a stream that stalls says why, and breaks off', async (t) => {
  stalledReason = undefined
  const client = await system.connect()
  await client.write(post('/idle', { pauses: [10, 10_000] }))
  const answer = await client.answer()
  t.equal(answer?.status, 200)
  t.equal(answer?.isWhole, false, 'no client can take it for complete')
  const [first, second, failure, rest] = answer!.body.toString().split('\n\n')
  t.equal(first, 'data: {"pause":10}')
  t.equal(second, 'data: {"pause":10000}')
  t.match(failure, /^event: error\ndata: \{/)
  t.match(JSON.parse(failure!.slice('event: error\ndata: '.length)), {
    code: 'idle_timed_out',
    status: 504,
    callId: answer!.headers['x-call-id'],
  })
  t.equal(rest, '')
  await system.atRest('idle')
  t.match(stalledReason, { code: 'idle_timed_out' })
  t.match((await system.state('idle')).counters, { timedOut: 1 })
})

t.test('in any other form it breaks off without a word', async (t) => {
  const client = await system.connect()
  await client.write(post('/idle', { pauses: [10_000] }, 'application/x-ndjson'))
  const answer = await client.answer()
  t.equal(answer?.isWhole, false)
  t.equal(answer?.body.toString(), '{"pause":10000}\n')
})

t.test('pauses below the limit add up to no time-out', async (t) => {
  const response = await system.post('/idle', { pauses: Array(8).fill(70) })
  t.equal((await response.text()).split('\n\n').length, 9)
})

t.test('the total ends a stream that never pauses', async (t) => {
  const client = await system.connect()
  await client.write(post('/total', {}))
  const answer = await client.answer()
  t.equal(answer?.isWhole, false)
  t.match(answer?.body.toString(), /^data: 0\n\n/)
  t.match(answer?.body.toString(), /event: error\ndata: \{.*"code":"timed_out".*\}\n\n$/)
})

t.test('without limits a function has no deadline', async (t) => {
  const response = await system.post('/endless', { ms: 300 })
  t.equal(await response.text(), 'data: {"deadline":"Infinity"}\n\ndata: "done"\n\n')
})

t.test('a silent stream of events gets comments, and stays what it is', async (t) => {
  const response = await system.post('/pinged', { ms: 400 })
  const text = await response.text()
  t.equal(text.replaceAll(': ping\n\n', ''), 'data: "first"\n\ndata: "second"\n\n')
  const pings = text.split(': ping').length - 1
  t.ok(pings >= 2 && pings <= 9, `${pings} pings`)
})

t.test('other forms get none', async (t) => {
  const headers = { accept: 'application/json' }
  const response = await system.post('/pinged', { ms: 200 }, { headers })
  t.same(await response.json(), ['first', 'second'])
})

t.test('a comment never comes into the middle of an event', async (t) => {
  const response = await system.fetch('/pieces')
  const text = await response.text()
  t.match(text, /: ping\n\n/)
  t.equal(text.replaceAll(': ping\n\n', ''), 'data: one\n\ndata: two\n\ndata: three\r\n\r\n')
  for (const block of text.split(/\n\n|\r\n\r\n/)) {
    t.ok(['', ': ping', 'data: one', 'data: two', 'data: three'].includes(block), block)
  }
})

t.test('what takes longer than the engine would wait is not cut', async (t) => {
  await Promise.all([
    (async () => {
      const response = await system.post('/endless', { ms: LONGER_THAN_THE_ENGINE_MS })
      t.match(await response.text(), /data: "done"\n\n$/, 'a generator that yields nothing')
    })(),
    (async () => {
      const client = await system.connect()
      await client.write('POST /transfer/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100010\r\n\r\n')
      await client.write(Buffer.alloc(100_000))
      await delay(LONGER_THAN_THE_ENGINE_MS)
      await client.write(Buffer.alloc(10))
      const answer = await client.answer()
      t.equal(answer?.body.toString(), '{"bytes":100010}', 'an upload that pauses')
    })(),
    (async () => {
      const client = await system.connect()
      await client.write(
        'POST /transfer/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
      )
      await client.write('5\r\nhello\r\n')
      t.equal((await client.head())?.status, 200)
      t.equal((await client.chunk())?.toString(), 'hello')
      await delay(LONGER_THAN_THE_ENGINE_MS)
      await client.write('5\r\nworld\r\n0\r\n\r\n')
      const chunk = await client.chunk()
      t.equal(chunk?.toString(), 'world', 'an upload that pauses when its answer has begun')
    })(),
    ...['/transfer/known', '/transfer/chunked'].map(async (path) => {
      const client = await system.connect()
      client.socket.pause()
      await client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      await delay(LONGER_THAN_THE_ENGINE_MS)
      let bytes = 0
      client.socket.removeAllListeners('data').on('data', (chunk) => {
        bytes += chunk.length
      })
      client.socket.resume()
      const wasReset = await client.closed
      t.equal(wasReset, false, `a client that does not read ${path}`)
      t.ok(bytes > MANY_BYTES, `${bytes} bytes of ${path}`)
    }),
  ])
})
