// Every 503 says when to try again, whoever says that it is one.

import t from 'tap'
import { defineFunction, PublicError } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const system = await System.start(t)

t.test('a function that is unavailable', async (t) => {
  await system.serve(
    defineFunction({
      name: 'busy',
      maxInputs: 10,
      run: (input) => {
        const retryAfterSeconds = input as number | null
        throw new PublicError(
          'unavailable',
          'Come back.',
          retryAfterSeconds ? { retryAfterSeconds } : {},
        )
      },
    }),
  )
  for (const [input, expected] of [
    [null, '1'],
    [30, '30'],
  ] as const) {
    const response = await system.post('/busy', input)
    t.equal(response.status, 503)
    t.match(await response.json(), { code: 'unavailable' })
    t.equal(response.headers.get('retry-after'), expected)
  }
})

t.test('a runner that leaves before the call is done', async (t) => {
  const runner = await system.serve(
    defineFunction({
      name: 'long',
      run: (_input, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    }),
    { drainMs: 1 },
  )
  const answer = system.post('/long', 1)
  await system.untilTaken('long', 1)
  await runner.stop()
  const response = await answer
  t.equal(response.status, 503)
  t.match(await response.json(), { code: 'draining' })
  t.equal(response.headers.get('retry-after'), '1')
})

t.test('a WebSocket that is refused', async (t) => {
  await system.serve(
    defineFunction({
      name: 'room',
      auth: 'public',
      socket: () => {
        throw new PublicError('unavailable', 'The room is full.', { retryAfterSeconds: 7 })
      },
    }),
  )
  const client = await system.connect()
  await client.write(
    'GET /room HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  t.match(await client.answer(), { status: 503, headers: { 'retry-after': '7' } })
})
