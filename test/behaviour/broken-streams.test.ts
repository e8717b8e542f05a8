// A stream of values that fails in the middle says so where its form can, and is always seen as broken.

import t from 'tap'
import { defineFunction, PublicError } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const system = await System.start(t)
await system.serve(
  defineFunction({
    name: 'failing',
    auth: 'public',
    maxInputs: 4,
    run: async function* (input) {
      const { after, isPublic } = input as { after: number; isPublic?: boolean }
      for (let value = 0; value < after; value++) yield value
      if (isPublic) throw new PublicError('rate_limited', 'Slow down.')
      throw new Error('secret')
    },
  }),
)

t.afterEach(() => system.atRest())

async function call(accept: string, input: object) {
  const client = await system.connect()
  const body = JSON.stringify(input)
  await client.write(
    `POST /failing HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  return client.answer()
}

t.test('server-sent events end with an error event, and break off', async (t) => {
  const answer = await call('text/event-stream', { after: 2 })
  t.equal(answer?.status, 200)
  t.equal(answer?.isWhole, false)
  const [zero, one, error] = answer!.body.toString().split('\n\n')
  t.equal(zero, 'data: 0')
  t.equal(one, 'data: 1')
  const [event, data] = error!.split('\n')
  t.equal(event, 'event: error')
  t.match(JSON.parse(data!.slice('data: '.length)), {
    code: 'function_failed',
    callId: answer!.headers['x-call-id'],
  })
  t.notMatch(answer!.body.toString(), 'secret')
})

t.test('the error event of a public error says what it is', async (t) => {
  // Every error was `function_failed`, in a stream only.
  const answer = await call('text/event-stream', { after: 1, isPublic: true })
  t.match(answer?.body.toString(), '"code":"rate_limited"')
})

t.test('the other forms break off', async (t) => {
  for (const [accept, body] of [
    ['application/x-ndjson', '0\n1\n'],
    ['application/json', '[0,1'],
    ['application/msgpack', '\x00\x01'],
  ] as const) {
    const answer = await call(accept, { after: 2 })
    t.equal(answer?.body.toString('latin1'), body)
    t.equal(answer?.isWhole, false, accept)
  }
})

t.test('a generator that fails before its first value has the status of its error', async (t) => {
  const answer = await call('text/event-stream', { after: 0, isPublic: true })
  t.equal(answer?.status, 429)
  t.match(JSON.parse(answer!.body.toString()), { code: 'rate_limited', detail: 'Slow down.' })
})
