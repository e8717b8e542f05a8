// Whose an `Idempotency-Key` is: what one caller was answered, another is not.

import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const system = await System.start(t)
let runs = 0

await system.serve(
  defineFunction({
    name: 'whoami',
    auth: 'public',
    maxInputs: 10,
    fetch: async (request) => {
      runs++
      const { headers } = request
      const who = headers.get('authorization') ?? headers.get('cookie') ?? headers.get('x-api-key')
      if (who === null) return new Response('nobody', { status: 401 })
      return new Response(who, { headers: { 'set-cookie': `session=${who}` } })
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'subject',
    run: (_input, { principal }) => {
      runs++
      return JSON.stringify(principal?.claims)
    },
  }),
)

const gates = new Map<string, () => void>()
let onWaiting = () => {}
await system.serve(
  defineFunction({
    name: 'wait',
    auth: 'public',
    maxInputs: 10,
    run: (name) =>
      new Promise<string>((resolve) => {
        gates.set(name as string, () => resolve(name as string))
        onWaiting()
      }),
  }),
)

async function waiting(name: string): Promise<void> {
  while (!gates.has(name)) {
    await new Promise<void>((resolve) => {
      onWaiting = resolve
    })
  }
}

function post(path: string, key: string, headers: Record<string, string>, body = '"x"') {
  return fetch(`${system.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key, ...headers },
    body,
  })
}

t.beforeEach(() => {
  runs = 0
})

// The key of a public route was everybody's: who sent it second was given the first one's answer, with its
// body and its `set-cookie`, by a function that would have refused him.
t.test('on a public route it is the sender’s of these credentials', async (t) => {
  for (const field of ['authorization', 'cookie', 'x-api-key']) {
    runs = 0
    const ann = await post('/whoami', field, { [field]: 'ann=1' })
    t.equal(await ann.text(), 'ann=1')
    const bob = await post('/whoami', field, { [field]: 'bob=1' })
    t.equal(await bob.text(), 'bob=1', field)
    t.equal(bob.headers.get('set-cookie'), 'session=bob=1')
    t.equal((await post('/whoami', field, {})).status, 401)
    t.equal(runs, 3)
    const again = await post('/whoami', field, { [field]: 'ann=1' })
    t.equal(await again.text(), 'ann=1')
    t.equal(again.headers.get('idempotent-replayed'), 'true')
    t.equal(runs, 3)
  }
})

t.test('another’s key says nothing: neither that it is at work nor for what', async (t) => {
  const ann = post('/wait', 'shared', { 'x-api-key': 'ann' }, '"ann"')
  await waiting('ann')
  const bob = post('/wait', 'shared', { 'x-api-key': 'bob' }, '"bob"')
  await Promise.race([waiting('bob'), bob])
  gates.get('bob')?.()
  t.equal(await (await bob).text(), 'bob')
  gates.get('ann')!()
  t.equal(await (await ann).text(), 'ann')
})

t.test('two issuers may have a subject of the same name', async (t) => {
  for (const iss of ['https://a', 'https://b']) {
    const authorization = `Bearer ${await system.token({ claims: { iss } })}`
    const response = await post('/subject', 'issuers', { authorization })
    t.match(await response.json(), { iss })
  }
  t.equal(runs, 2)
})

t.test('tokens without a subject are not all of one', async (t) => {
  for (const client_id of ['a', 'b']) {
    const authorization = `Bearer ${await system.token({ subject: '', claims: { client_id } })}`
    const response = await post('/subject', 'clients', { authorization })
    t.match(await response.json(), { client_id })
  }
  t.equal(runs, 2)
})

t.test('a request for another form of the answer is another request', async (t) => {
  const headers = { authorization: await system.authorization(), accept: 'application/json' }
  const first = await post('/subject', 'forms', headers)
  t.equal(first.status, 200)
  await first.body?.cancel()
  const second = await post('/subject', 'forms', { ...headers, accept: 'text/plain' })
  t.equal(second.status, 422)
  t.match(await second.json(), { code: 'invalid_input' })
  t.equal(runs, 1)
})

t.test('and so is one to another host', async (t) => {
  const headers = `X-Api-Key: ann\r\nIdempotency-Key: hosts\r\nContent-Length: 0\r\n\r\n`
  for (const [host, status] of [
    ['a.example', 200],
    ['b.example', 422],
    ['a.example', 200],
  ] as const) {
    const client = await system.connect()
    await client.write(`POST /whoami HTTP/1.1\r\nHost: ${host}\r\n${headers}`)
    t.equal((await client.answer())?.status, status, host)
  }
  t.equal(runs, 1)
})
