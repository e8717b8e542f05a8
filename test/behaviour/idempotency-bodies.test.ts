// `Idempotency-Key` on requests whose bodies are too large to be at hand, or come slowly.

import t, { type Test } from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import type { RawClient } from '../support/raw-client.js'
import { System, streamOf } from '../support/system.js'

const MAX_BODY_BYTES = 1024 * 1024
/** More than travels in a CALL, or is kept for another attempt. */
const BODY = Buffer.alloc(300_000, 'a')
const HALF = BODY.subarray(0, BODY.length / 2)
const OTHER_BODY = Buffer.concat([BODY.subarray(1), Buffer.from('b')])

const system = await System.start(t)
interface Run {
  readonly signal: AbortSignal
  readonly finish: (text: string) => void
  readonly fail: () => void
  /** Has all of its body. */
  isFed: boolean
}
const runs: Run[] = []
let onChange = () => {}
let looks = 0

await system.serve(
  defineFunction({
    name: 'store',
    maxInputs: 10,
    maxBodyBytes: MAX_BODY_BYTES,
    fetch: async (request, { signal }) => {
      let run!: Run
      const answer = new Promise<string>((finish, fail) => {
        run = { signal, finish, fail: () => fail(new Error('broken')), isFed: false }
      })
      // Whatever becomes of the body.
      answer.catch(() => {})
      runs.push(run)
      onChange()
      const { byteLength } = await request.arrayBuffer()
      run.isFed = true
      onChange()
      return new Response(`${await answer} ${byteLength}`)
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'glance',
    maxInputs: 10,
    fetch: async () => new Response(`look ${++looks}`),
  }),
)

t.beforeEach(() => {
  runs.length = 0
})

/** Resolves with the run of this number when it is there, and has all of its body unless that is not awaited. */
async function run(index: number, { isFed = true } = {}): Promise<Run> {
  while (runs[index]?.isFed !== true && (isFed || runs[index] === undefined)) {
    await new Promise<void>((resolve) => {
      onChange = resolve
    })
  }
  return runs[index]!
}

function store(key: string, body: Uint8Array): Promise<Response> {
  return system.fetch('/store', request(key, body))
}

function request(key: string, body: Uint8Array | ReadableStream): RequestInit {
  const headers = { 'idempotency-key': key, 'content-type': 'text/plain' }
  // @ts-expect-error Node's own option is missing from the DOM's type
  return { method: 'POST', headers, body, duplex: 'half' }
}

/** The same request as `store`, of whose body the gateway has so much by now. */
async function begin(key: string, bytes: Uint8Array, path = '/store'): Promise<RawClient> {
  const client = await system.connect()
  await client.write(
    `POST ${path} HTTP/1.1\r\nHost: ${new URL(system.url).host}\r\nAccept: */*\r\n` +
      `Authorization: ${await system.authorization()}\r\nContent-Type: text/plain\r\n` +
      `Idempotency-Key: ${key}\r\nContent-Length: ${BODY.length}\r\n\r\n`,
  )
  await client.write(bytes)
  await seen()
  return client
}

/** What was done before on other connections the gateway has seen now. */
async function seen(): Promise<void> {
  await (await fetch(`${system.url}/nowhere`)).body?.cancel()
}

async function leave(client: RawClient): Promise<void> {
  client.leave()
  await client.closed
  await seen()
}

/** Answered without a run of its own. */
async function isReplayed(t: Test, client: RawClient, text: string): Promise<void> {
  const answer = await client.answer()
  t.equal(answer?.status, 200)
  t.equal(answer?.headers['idempotent-replayed'], 'true')
  t.equal(answer?.body.toString(), text)
}

// The key did nothing for a body of more than 64 KiB: the retry of an upload ran again.
t.test('a body of any size is compared', async (t) => {
  const first = store('large', BODY)
  ;(await run(0)).finish('stored')
  t.equal(await (await first).text(), 'stored 300000')
  const second = await store('large', BODY)
  t.equal(await second.text(), 'stored 300000')
  t.equal(second.headers.get('idempotent-replayed'), 'true')
  t.equal((await store('large', OTHER_BODY)).status, 422)
  t.equal((await store('large', HALF)).status, 422)
  t.equal(runs.length, 1)
})

t.test('also one of unknown length, in other pieces', async (t) => {
  const first = system.fetch('/store', request('chunked', streamOf([HALF, HALF])))
  ;(await run(0)).finish('stored')
  t.equal(await (await first).text(), 'stored 300000')
  const pieces = [BODY.subarray(0, 7), BODY.subarray(7, 200_000), BODY.subarray(200_000)]
  const second = await system.fetch('/store', request('chunked', streamOf(pieces)))
  t.equal(await second.text(), 'stored 300000')
  const third = await system.fetch('/store', request('chunked', streamOf([HALF, OTHER_BODY])))
  t.equal(third.status, 422)
  t.equal(runs.length, 1)
})

t.test('two that come at once are one: whichever body is complete first', async (t) => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const key = `both ${order}`
    runs.length = 0
    const clients = [await begin(key, HALF), await begin(key, HALF)]
    for (const index of order) {
      await clients[index]!.write(HALF)
      await seen()
    }
    ;(await run(0)).finish('stored')
    t.equal(runs.length, 1)
    t.equal((await clients[0]!.answer())?.headers['idempotent-replayed'], undefined)
    await isReplayed(t, clients[1]!, 'stored 300000')
  }
})

t.test('another body is known for one as soon as both are complete', async (t) => {
  const first = await begin('differs', HALF)
  const second = await begin('differs', OTHER_BODY)
  await first.write(HALF)
  t.equal((await second.answer())?.status, 422)
  ;(await run(0)).finish('stored')
  t.equal((await first.answer())?.status, 200)
  t.equal(runs.length, 1)
})

t.test('another head at once', async (t) => {
  const first = await begin('head', HALF)
  const second = await begin('head', HALF, '/store?other')
  t.equal((await second.answer())?.status, 422)
  await first.write(HALF)
  ;(await run(0)).finish('stored')
  t.equal((await first.answer())?.status, 200)
})

t.test('the answer waits for the body of a second one', async (t) => {
  const first = await begin('slow', BODY)
  const same = await begin('slow', HALF)
  const other = await begin('slow', HALF)
  ;(await run(0)).finish('stored')
  t.equal((await first.answer())?.status, 200)
  await same.write(HALF)
  await isReplayed(t, same, 'stored 300000')
  await other.write(OTHER_BODY.subarray(HALF.length))
  t.equal((await other.answer())?.status, 422)
  t.equal(runs.length, 1)
})

t.test('the first one may leave when its body is complete', async (t) => {
  const first = await begin('left', BODY)
  const second = await begin('left', HALF)
  const { signal, finish } = await run(0)
  await leave(first)
  await second.write(HALF)
  t.notOk(signal.aborted)
  finish('stored')
  await isReplayed(t, second, 'stored 300000')
  t.equal(runs.length, 1)
})

t.test('who turns out to be another one keeps nothing at work', async (t) => {
  const first = await begin('alone', BODY)
  const second = await begin('alone', HALF)
  const { signal, finish } = await run(0)
  await leave(first)
  await second.write(OTHER_BODY.subarray(HALF.length))
  t.equal((await second.answer())?.status, 422)
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  finish('late')
  await system.atRest('store')
})

t.test('a body that breaks off takes the call with it, and the next one runs', async (t) => {
  const first = await begin('broken', HALF)
  const second = await begin('broken', BODY)
  await run(0, { isFed: false })
  await leave(first)
  const answer = await second.answer()
  t.equal(answer?.status, 409)
  t.match(JSON.parse(answer!.body.toString()), { code: 'conflict' })
  const third = store('broken', BODY)
  ;(await run(1)).finish('stored')
  t.equal(await (await third).text(), 'stored 300000')
})

t.test('what failed fails for whoever waits, however far its body is', async (t) => {
  const first = await begin('failed', BODY)
  const second = await begin('failed', HALF)
  ;(await run(0)).fail()
  t.equal((await first.answer())?.status, 500)
  t.equal((await second.answer())?.status, 500)
})

t.test('a second body may be no larger than a first', async (t) => {
  const first = store('limit', BODY)
  const { finish } = await run(0)
  const large = streamOf(Array.from({ length: 5 }, () => BODY))
  const second = await system.fetch('/store', request('limit', large))
  t.equal(second.status, 413)
  finish('stored')
  t.equal((await first).status, 200)
  t.equal(runs.length, 1)
})

t.test('an answer that did not wait for the body is kept all the same', async (t) => {
  const first = await begin('glance', HALF, '/glance')
  t.equal((await first.answer())?.body.toString(), 'look 1')
  await isReplayed(t, await begin('glance', BODY, '/glance'), 'look 1')
})
