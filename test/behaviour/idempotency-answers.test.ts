// `Idempotency-Key` on answers that are too large for one frame.

import t, { type Test } from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import type { RawAnswer, RawClient } from '../support/raw-client.js'
import { System } from '../support/system.js'

const CACHE_BYTES = 64 * 1024 * 1024
const LARGEST_BYTES = CACHE_BYTES / 4
/** More than the sockets between gateway and client hold. */
const LARGE_BYTES = LARGEST_BYTES - 1024 * 1024
const HALF = Buffer.alloc(100_000, 'a')

const system = await System.start(t, { gateway: { idempotencyCacheBytes: CACHE_BYTES } })
let runs = 0

await system.serve(
  defineFunction({
    name: 'give',
    maxInputs: 10,
    run: (input) => {
      runs++
      const { bytes } = input as { bytes: number }
      return Buffer.alloc(bytes, String(runs))
    },
  }),
)

interface Drip {
  readonly body: ReadableStreamDefaultController<Uint8Array>
  readonly signal: AbortSignal
}
const drips: Drip[] = []
let onDrip = () => {}
await system.serve(
  defineFunction({
    name: 'drip',
    maxInputs: 10,
    fetch: async (_request, { signal }) => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          drips.push({ body: controller, signal })
          controller.enqueue(HALF)
        },
      })
      onDrip()
      return new Response(body, { headers: { 'content-length': String(2 * HALF.length) } })
    },
  }),
)

async function drip(index: number): Promise<Drip> {
  while (drips.length <= index) {
    await new Promise<void>((resolve) => {
      onDrip = resolve
    })
  }
  return drips[index]!
}

t.beforeEach(() => {
  runs = 0
  drips.length = 0
})

/** A request that the gateway has by now. */
async function begin(
  path: string,
  key: string,
  input: unknown = {},
  { on = system, isReading = true } = {},
): Promise<RawClient> {
  const client = await on.connect()
  if (!isReading) client.socket.pause()
  const body = JSON.stringify(input)
  await client.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${await on.authorization()}\r\n` +
      `Content-Type: application/json\r\nIdempotency-Key: ${key}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  )
  await seen(on)
  return client
}

/** What was done before on other connections the gateway has seen now. */
async function seen(on = system): Promise<void> {
  await (await fetch(`${on.url}/nowhere`)).body?.cancel()
}

async function leave(client: RawClient): Promise<void> {
  client.leave()
  await client.closed
  await seen()
}

async function give(key: string, bytes: number): Promise<RawAnswer> {
  return (await (await begin('/give', key, { bytes })).answer())!
}

function isAnswer(t: Test, answer: RawAnswer | null, bytes: number, isReplayed: boolean): void {
  t.equal(answer?.status, 200)
  t.ok(answer?.isWhole)
  t.equal(answer?.body.length, bytes)
  t.equal(answer?.headers['idempotent-replayed'], isReplayed ? 'true' : undefined)
}

// An answer of more than 16 KiB, or of less where the gateway had little memory left, was taken for a
// stream: the retry of a call that had succeeded ran again.
t.test('an answer is kept, however many frames it comes in', async (t) => {
  for (const bytes of [17 * 1024, 1_000_000]) {
    runs = 0
    const key = `kept ${bytes}`
    const first = await give(key, bytes)
    isAnswer(t, first, bytes, false)
    const second = await give(key, bytes)
    isAnswer(t, second, bytes, true)
    t.ok(second.body.equals(first.body))
    t.equal(second.headers['content-type'], first.headers['content-type'])
    t.equal(second.headers['content-length'], String(bytes))
    t.equal(runs, 1)
  }
})

t.test('who comes while it is on its way has it when it is there', async (t) => {
  const first = await begin('/drip', 'meanwhile')
  t.equal((await first.head())?.status, 200)
  const second = await begin('/drip', 'meanwhile')
  const { body } = await drip(0)
  body.enqueue(HALF)
  body.close()
  isAnswer(t, await second.answer(), 2 * HALF.length, true)
  t.equal(drips.length, 1)
})

t.test('all may leave once it has begun: the next one has it', async (t) => {
  const first = await begin('/drip', 'left')
  t.equal((await first.head())?.status, 200)
  await leave(first)
  const { body, signal } = await drip(0)
  t.notOk(signal.aborted)
  body.enqueue(HALF)
  body.close()
  await system.atRest('drip')
  isAnswer(t, await (await begin('/drip', 'left')).answer(), 2 * HALF.length, true)
  t.equal(drips.length, 1)
})

t.test('who does not read holds up nobody else', async (t) => {
  const input = { bytes: LARGE_BYTES }
  const first = await begin('/give', 'unread', input, { isReading: false })
  const second = await begin('/give', 'unread', input, { isReading: false })
  await system.atRest('give')
  isAnswer(t, await give('unread', LARGE_BYTES), LARGE_BYTES, true)
  second.socket.resume()
  isAnswer(t, await second.answer(), LARGE_BYTES, true)
  first.socket.resume()
  isAnswer(t, await first.answer(), LARGE_BYTES, false)
  t.equal(runs, 1)
})

t.test('an answer that is too large is its client’s alone, and is not kept', async (t) => {
  const input = { bytes: LARGEST_BYTES }
  const first = await begin('/give', 'large', input, { isReading: false })
  const second = await begin('/give', 'large', input)
  const refusal = await second.answer()
  t.equal(refusal?.status, 409)
  t.match(JSON.parse(refusal!.body.toString()), { code: 'conflict' })
  await leave(first)
  await system.atRest('give')
  isAnswer(t, await give('large', LARGEST_BYTES), LARGEST_BYTES, false)
  t.equal(runs, 2)
})

t.test('an answer that breaks off does so for all, and the next one runs', async (t) => {
  const first = await begin('/drip', 'broken')
  const second = await begin('/drip', 'broken')
  const { body } = await drip(0)
  t.equal((await first.head())?.status, 200)
  body.error(new Error('broken'))
  t.equal((await second.answer())?.status, 500)
  await first.closed
  const third = await begin('/drip', 'broken')
  ;(await drip(1)).body.enqueue(HALF)
  drips[1]!.body.close()
  isAnswer(t, await third.answer(), 2 * HALF.length, false)
})

t.test('a gateway that leaves breaks off what is still being read', async (t) => {
  const gateway = { idempotencyCacheBytes: CACHE_BYTES }
  const leaving = await System.start(t, { nats: system.nats, gateway })
  await leaving.until('give', ({ freeSlots }) => freeSlots > 0)
  const input = { bytes: LARGE_BYTES }
  const first = await begin('/give', 'leaving', input, { on: leaving })
  isAnswer(t, await first.answer(), LARGE_BYTES, false)
  const second = await begin('/give', 'leaving', input, { on: leaving, isReading: false })
  await leaving.gateway.close()
  second.socket.resume()
  const answer = await second.answer()
  t.equal(answer?.headers['idempotent-replayed'], 'true')
  t.notOk(answer?.isWhole)
})
