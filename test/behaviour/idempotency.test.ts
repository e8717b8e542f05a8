// `Idempotency-Key`: what is sent twice runs once.

import t, { type Test } from 'tap'
import { defineFunction, PublicError } from '../../runner/define-function.js'
import type { RawClient } from '../support/raw-client.js'
import { System } from '../support/system.js'

const system = await System.start(t)
const runs: { input: unknown; finish: (value: unknown) => void; signal: AbortSignal }[] = []
let onRun = () => {}

await system.serve(
  defineFunction({
    name: 'pay',
    maxInputs: 10,
    run: (input, { signal }) =>
      new Promise((finish) => {
        runs.push({ input, finish, signal })
        onRun()
      }),
  }),
)
await system.serve(
  defineFunction({
    name: 'count',
    auth: 'public',
    maxInputs: 10,
    run: async function* (_input, { signal }) {
      yield 1
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'refuse',
    auth: 'public',
    run: () => {
      refusals++
      throw new PublicError('conflict', 'no')
    },
  }),
)
let refusals = 0

const hasty = gate()
let hastyRuns = 0
await system.serve(
  defineFunction({
    name: 'hasty',
    maxInputs: 10,
    fetch: async () => {
      // The first time without a look at its request's body.
      if (++hastyRuns === 1) throw new PublicError('conflict', 'no')
      hasty.start()
      await hasty.opened
      return new Response('done')
    },
  }),
)

const gated = gate()
await system.serve(
  defineFunction({
    name: 'gated',
    maxInputs: 5,
    run: async function* () {
      gated.start()
      await gated.opened
      yield 1
    },
  }),
)

function gate() {
  let start = () => {}
  let open = () => {}
  const started = new Promise<void>((resolve) => {
    start = resolve
  })
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { start: () => start(), open: () => open(), started, opened }
}

t.beforeEach(() => {
  runs.length = 0
})

async function pay(
  key: string,
  amount: number,
  { subject = 'ann', signal = null as AbortSignal | null } = {},
) {
  return fetch(`${system.gateway.url}/pay`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await system.token({ subject })}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({ amount }),
    signal,
  })
}

/** Resolves when the function has been started so many times. */
async function started(count: number): Promise<void> {
  while (runs.length < count) {
    await new Promise<void>((resolve) => {
      onRun = resolve
    })
  }
}

/** The same request as `pay(key, 1)`, which the gateway has by now. */
async function payToo(t: Test, key: string, path = '/pay'): Promise<RawClient> {
  const client = await system.connect()
  // One that has been verified before: a new one takes a while, and others overtake it.
  const authorization = await system.authorization()
  const body = JSON.stringify({ amount: 1 })
  await client.write(
    `POST ${path} HTTP/1.1\r\nHost: ${new URL(system.url).host}\r\nAccept: */*\r\n` +
      `Authorization: ${authorization}\r\nContent-Type: application/json\r\n` +
      `Idempotency-Key: ${key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  // What comes later on another connection is read later.
  t.equal((await system.post('/refuse', {})).status, 409)
  return client
}

t.test('a second one waits for the first, and has its answer', async (t) => {
  const first = pay('k1', 1)
  await started(1)
  const second = await payToo(t, 'k1')
  runs[0]!.finish({ paid: 1 })
  const one = await first
  const other = (await second.answer())!
  t.same(await one.json(), { paid: 1 })
  t.same(JSON.parse(other.body.toString()), { paid: 1 })
  t.equal(one.headers.get('idempotent-replayed'), null)
  t.equal(other.headers['idempotent-replayed'], 'true')
  t.not(one.headers.get('x-call-id'), other.headers['x-call-id'])
  t.equal(runs.length, 1)
  t.match((await system.state('pay')).counters, { started: 1 })

  const late = await pay('k1', 1)
  t.same(await late.json(), { paid: 1 }, 'and so has one that comes later')
  t.equal(runs.length, 1)
})

t.test('a key is its principal’s own', async (t) => {
  const ann = pay('k2', 1)
  const bob = pay('k2', 1, { subject: 'bob' })
  await started(2)
  for (const { finish } of runs) finish('done')
  for (const response of [await ann, await bob]) {
    t.equal(response.headers.get('idempotent-replayed'), null)
    await response.body?.cancel()
  }
})

t.test('a key is of one request', async (t) => {
  const first = pay('k3', 1)
  await started(1)
  const other = await pay('k3', 2)
  t.equal(other.status, 422)
  t.match(await other.json(), { code: 'invalid_input' })
  runs[0]!.finish('done')
  t.equal((await first).status, 200)
  t.equal((await pay('k3', 2)).status, 422, 'also afterwards')
})

t.test('the first one may leave: the function goes on for the second', async (t) => {
  const leaving = new AbortController()
  const first = pay('k4', 1, { signal: leaving.signal })
  await started(1)
  const second = await payToo(t, 'k4')
  leaving.abort()
  await t.rejects(first)
  runs[0]!.finish('done')
  t.equal((await second.answer())?.body.toString(), 'done')
  t.notOk(runs[0]!.signal.aborted)
})

t.test('when all have left the function is told, and the next one runs', async (t) => {
  const leaving = new AbortController()
  const first = pay('k5', 1, { signal: leaving.signal })
  await started(1)
  const second = await payToo(t, 'k5')
  leaving.abort()
  await t.rejects(first)
  second.leave()
  const { signal, finish } = runs[0]!
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  finish('late')
  await system.atRest('pay')
  const next = pay('k5', 1)
  await started(2)
  runs[1]!.finish('again')
  t.equal(await (await next).text(), 'again')
})

t.test('what a function refused is not kept', async (t) => {
  const options = { headers: { 'idempotency-key': 'k6' } }
  refusals = 0
  for (let count = 1; count <= 2; count++) {
    t.equal((await system.post('/refuse', {}, options)).status, 409)
    t.equal(refusals, count)
  }
})

t.test('a stream is not shared', async (t) => {
  const headers = { 'idempotency-key': 'k7', accept: 'application/x-ndjson' }
  const leaving = new AbortController()
  const first = await system.post('/count', {}, { headers, signal: leaving.signal })
  t.equal(first.status, 200)
  const second = await system.post('/count', {}, { headers })
  t.equal(second.status, 409)
  t.match(await second.json(), { code: 'conflict' })
  leaving.abort()
  await first.body?.cancel().catch(() => {})
  await system.atRest('count')
})

t.test('a stream that begins when its first client has left is nobody’s', async (t) => {
  // The key stayed with it for ever: whoever came later was told that a request was at work already.
  const first = await payToo(t, 'k9', '/gated')
  await gated.started
  const second = await payToo(t, 'k9', '/gated')
  first.leave()
  await first.closed
  t.equal((await system.post('/refuse', {})).status, 409, 'the gateway has seen it leave')
  gated.open()
  t.equal((await second.answer())?.status, 409)
  await system.atRest('gated')
  const third = await payToo(t, 'k9', '/gated')
  t.equal((await third.answer())?.status, 200)
})

// The one who left took the entry of the next call with its key, and the one after that ran beside it.
t.test('who leaves while its answer is still on its way takes nobody else’s key', async (t) => {
  const client = await system.connect()
  const authorization = await system.authorization()
  await client.write(
    `POST /hasty HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n` +
      `Idempotency-Key: k10\r\nContent-Length: 100000\r\n\r\n`,
  )
  // Its end waits for the end of the body.
  t.equal((await client.head())?.status, 409)
  const second = await payToo(t, 'k10', '/hasty')
  await hasty.started
  client.leave()
  await client.closed
  t.equal((await system.post('/refuse', {})).status, 409, 'the gateway has seen it leave')
  const third = await payToo(t, 'k10', '/hasty')
  hasty.open()
  t.equal((await second.answer())?.status, 200)
  t.equal((await third.answer())?.headers['idempotent-replayed'], 'true')
  t.equal(hastyRuns, 2)
})

t.test('a key that is none is refused', async (t) => {
  const response = await pay('x'.repeat(256), 1)
  t.equal(response.status, 400)
  t.match(await response.json(), { code: 'bad_request' })
  t.equal(runs.length, 0)
})

t.test('two keys are no key: neither of them is taken', async (t) => {
  // The last one was, and whoever is in front of us may have taken the first.
  for (const keys of [
    'a\r\nIdempotency-Key: b',
    'a\r\nIdempotency-Key: a',
    '\r\nIdempotency-Key: a',
  ]) {
    const client = await payToo(t, keys, '/refuse')
    const answer = await client.answer()
    t.equal(answer?.status, 400, 'and not the 409 of the function')
    t.match(JSON.parse(String(answer?.body)), { code: 'bad_request', detail: /stands there once/ })
  }
})
