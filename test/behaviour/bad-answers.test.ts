// What a function gives that no answer can be made of ends its own call, and nobody else's.
//
// It went out as it was: the gateway could not read the frame, ended every call of the runner with
// `protocol_error` and isolated it.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { defineFunction, PublicError } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const system = await System.start(t)

// What a Response has from elsewhere, only `fetch` can make: `new Response` takes no such status.
const upstream = createServer((_, response) => response.writeHead(999).end('x')).listen(0)
await once(upstream, 'listening')
t.teardown(() => upstream.close())
const upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`

let release = () => {}
const released = new Promise<void>((resolve) => {
  release = resolve
})
const ANSWERS: Record<string, () => Response | Promise<Response>> = {
  status: () => fetch(upstreamUrl),
  error: () => Response.error(),
  issues: () => {
    const issues = [{ path: [{ key: 'a' }], message: 'odd' }, null, { message: 'odd' }]
    throw new PublicError('invalid_input', 'No.', { issues: issues as never })
  },
  held: async () => {
    await released
    return new Response('held')
  },
}
await system.serve(
  defineFunction({
    name: 'answers',
    route: 'GET /answers/:kind',
    auth: 'public',
    maxInputs: 10,
    fetch: (_request, { params }) => ANSWERS[params.kind!]!(),
  }),
)

t.test('a call with an answer that cannot be sent fails alone', async (t) => {
  const held = fetch(`${system.url}/answers/held`)
  await system.until('answers', ({ counters }) => counters.inFlight === 1)
  for (const kind of ['status', 'error']) {
    const response = await fetch(`${system.url}/answers/${kind}`)
    t.equal(response.status, 500, kind)
    t.match(await response.json(), { code: 'function_failed' })
  }
  const refused = await fetch(`${system.url}/answers/issues`)
  t.equal(refused.status, 422)
  t.same(((await refused.json()) as { issues: unknown }).issues, [
    { path: ['a'], message: 'odd' },
    { path: [], message: '' },
    { path: [], message: 'odd' },
  ])
  t.match(await system.state('answers'), { runners: [{ state: 'ready' }] }, 'it is not isolated')
  release()
  t.equal(await (await held).text(), 'held')
  await system.atRest('answers')
})
