// The three clocks of a call, and the times that nobody set: a function may be silent for as long as its
// own clocks allow, however impatient the engine underneath is.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { signalled } from '../support/scripted-socket.js'
import { System } from '../support/system.js'

/** The engine cuts a connection on which nothing has moved for 8 to 12 seconds. */
const LONGER_THAN_THE_ENGINE_MS = 12_500

const system = await System.start(t)

await system.serve(
  defineFunction({
    name: 'mute',
    auth: 'public',
    firstByteMs: 300,
    timeoutMs: 600_000,
    run: (_input, { signal }) => delay(600_000, undefined, { signal }),
  }),
)

/** Long enough for an answer that comes at once, on whatever machine. */
const FIRST_BYTE_MS = 2_500
let mayGoOn = signalled()
await system.serve(
  defineFunction({
    name: 'first',
    auth: 'public',
    maxInputs: 1,
    firstByteMs: FIRST_BYTE_MS,
    timeoutMs: 600_000,
    run: async function* () {
      yield 'first'
      await mayGoOn.promise
      yield 'second'
    },
  }),
)

const IDLE_MS = 2_500
let stalledReason: unknown
await system.serve(
  defineFunction({
    name: 'idle',
    auth: 'public',
    maxInputs: 10,
    idleMs: IDLE_MS,
    timeoutMs: 600_000,
    run: async function* (input, { signal }) {
      const { pauses } = input as { pauses: number[] }
      for (const pause of pauses) {
        yield { pause }
        try {
          if (pause > 0) await delay(pause, undefined, { signal })
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
    timeoutMs: 1_500,
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
let wasPinged = signalled()
await system.serve(
  defineFunction({
    name: 'pinged',
    auth: 'public',
    maxInputs: 10,
    pingMs: 50,
    run: async function* () {
      yield 'first'
      await wasPinged.promise
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
      new Response(piecesOf(['data: one\n', '\ndata: tw', 'o\n\n', 'data: three\r\n\r', '\n']), {
        headers: { 'content-type': 'text/event-stream; charset=utf-8', vary: 'accept' },
      }),
  }),
)
function piecesOf(pieces: readonly string[]): ReadableStream<Uint8Array> {
  const left = [...pieces]
  return new ReadableStream(
    {
      async pull(controller) {
        const piece = left.shift()
        if (piece === undefined) return controller.close()
        controller.enqueue(Buffer.from(piece))
        // Between two events there comes one; inside of one there would have been time for many.
        if (piece === 'o\n\n') await wasPinged.promise
        else await delay(200)
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

/** Reads an answer to its end; `wasPinged` goes when two comments have come. */
async function textOfPinged(response: Response): Promise<string> {
  let text = ''
  for await (const bytes of response.body!) {
    text += Buffer.from(bytes).toString()
    if (text.split(': ping').length > 2) wasPinged.go()
  }
  return text
}

t.test('limits that pass, and limits that do not', async (t) => {
  // Each of them waits for seconds.
  t.jobs = 6

  t.test('no first byte in time: 504', async (t) => {
    const startedMs = performance.now()
    const response = await system.post('/mute', {})
    t.equal(response.status, 504)
    t.match(await response.json(), { code: 'first_byte_timed_out', detail: /300 ms/ })
    const tookMs = performance.now() - startedMs
    t.ok(tookMs >= 299, `${tookMs} ms`)
  })

  t.test(
    'after a first byte in time the rest, and who waits for the slot, may take longer',
    async (t) => {
      mayGoOn = signalled()
      const first = await system.post('/first', {})
      t.equal(first.status, 200)
      const second = system.post('/first', {})
      await system.until('first', ({ queued }) => queued === 1)
      await delay(FIRST_BYTE_MS + 100)
      mayGoOn.go()
      t.equal(await first.text(), 'data: "first"\n\ndata: "second"\n\n')
      t.equal((await second).status, 200, 'time in the queue is not the time to the first byte')
      await (await second).text()
    },
  )

  t.test('a stream that stalls says why, and breaks off', async (t) => {
    const client = await system.connect()
    await client.write(post('/idle', { pauses: [0, 600_000] }))
    const answer = await client.answer()
    t.equal(answer?.status, 200)
    t.equal(answer?.isWhole, false, 'no client can take it for complete')
    const [first, second, failure, rest] = answer!.body.toString().split('\n\n')
    t.equal(first, 'data: {"pause":0}')
    t.equal(second, 'data: {"pause":600000}')
    t.match(failure, /^event: error\ndata: \{/)
    t.match(JSON.parse(failure!.slice('event: error\ndata: '.length)), {
      code: 'idle_timed_out',
      status: 504,
      callId: answer!.headers['x-call-id'],
    })
    t.equal(rest, '')
  })

  t.test('in any other form it breaks off without a word', async (t) => {
    const client = await system.connect()
    await client.write(post('/idle', { pauses: [600_000] }, 'application/x-ndjson'))
    const answer = await client.answer()
    t.equal(answer?.isWhole, false)
    t.equal(answer?.body.toString(), '{"pause":600000}\n')
  })

  t.test('pauses below the limit add up to no time-out', async (t) => {
    const pauses = Array(5).fill(IDLE_MS * 0.25)
    const response = await system.post('/idle', { pauses })
    t.equal((await response.text()).split('\n\n').length, pauses.length + 1)
  })

  t.test('the total ends a stream that never pauses', async (t) => {
    const client = await system.connect()
    await client.write(post('/total', {}))
    const answer = await client.answer()
    t.equal(answer?.isWhole, false)
    t.match(answer?.body.toString(), /^data: 0\n\n/)
    t.match(answer?.body.toString(), /event: error\ndata: \{.*"code":"timed_out".*\}\n\n$/)
  })
})

t.test('a stream that stalled is told why, and counted', async (t) => {
  t.match(stalledReason, { code: 'idle_timed_out' })
  t.match((await system.state('idle')).counters, { started: 3, timedOut: 2 })
})

t.test('without limits a function has no deadline', async (t) => {
  const response = await system.post('/endless', { ms: 300 })
  t.equal(await response.text(), 'data: {"deadline":"Infinity"}\n\ndata: "done"\n\n')
})

t.test('a silent stream of events gets comments, and other forms get none', async (t) => {
  wasPinged = signalled()
  const headers = { accept: 'application/json' }
  const asJson = await system.post('/pinged', {}, { headers })
  const text = await textOfPinged(await system.post('/pinged', {}))
  t.equal(text.replaceAll(': ping\n\n', ''), 'data: "first"\n\ndata: "second"\n\n')
  t.same(await asJson.json(), ['first', 'second'])
})

t.test('a comment never comes into the middle of an event', async (t) => {
  wasPinged = signalled()
  const text = await textOfPinged(await system.fetch('/pieces'))
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
