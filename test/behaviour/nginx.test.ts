// A stream behind nginx with its buffering as it is by default: each value is made only when the client has the
// one before, so a single one that stays in a buffer stops them all.

import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { hasNginx, startNginx } from '../support/nginx.js'
import { signalled } from '../support/scripted-socket.js'
import { System } from '../support/system.js'

const VALUES = 20

/** Goes when the client has the value of that index. */
let arrived = Array.from({ length: VALUES }, () => signalled())

async function* values() {
  for (const [index, { promise }] of arrived.entries()) {
    yield index
    await promise
  }
}

t.test('streams behind nginx', { skip: !hasNginx() && 'no nginx is installed' }, async (t) => {
  const system = await System.start(t)
  await system.serve(defineFunction({ name: 'values', auth: 'public', run: values }))
  await system.serve(
    defineFunction({
      name: 'events',
      auth: 'public',
      fetch: () => {
        const stream = values()
        const body = new ReadableStream({
          async pull(controller) {
            const { value, done } = await stream.next()
            if (done) controller.close()
            else controller.enqueue(Buffer.from(`data: ${value}\n\n`))
          },
        })
        // Without `x-accel-buffering`: nobody has to know of it.
        return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
      },
    }),
  )
  const socketPath = await startNginx(t, system.url)

  t.beforeEach(() => {
    arrived = Array.from({ length: VALUES }, () => signalled())
  })

  for (const [path, accept, expected] of [
    ['/values', 'text/event-stream', (index: number) => `data: ${index}\n\n`],
    ['/values', 'application/x-ndjson', (index: number) => `${index}\n`],
    ['/events/', 'text/event-stream', (index: number) => `data: ${index}\n\n`],
  ] as const) {
    t.test(`${path} as ${accept} comes one by one`, async (t) => {
      const request = httpRequest({ socketPath, path, method: 'POST', headers: { accept } }).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      t.equal(response.statusCode, 200)
      t.match(response.headers.server, /^nginx/)
      let text = ''
      let seen = 0
      for await (const bytes of response) {
        text += bytes
        const all = text.split('\n').filter((line) => line !== '').length
        while (seen < all) arrived[seen++]!.go()
      }
      t.equal(text, Array.from({ length: VALUES }, (_, index) => expected(index)).join(''))
      await system.atRest()
    })
  }
})
