// Node's own server, writing the events of examples/tokens.ts straight to its clients: the same
// generator of values, no NATS, no schema, no authentication, no log.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'

interface TokensRequest {
  readonly count: number
  readonly intervalMs: number
  readonly text: string
}

const server = createServer(async (request, response) => {
  const input = (await json(request)) as TokensRequest
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  for await (const token of tokens(input)) {
    const goesOn = response.write(`data: ${JSON.stringify(token)}\n\n`)
    if (!goesOn && !response.destroyed)
      await Promise.race([once(response, 'drain'), once(response, 'close')])
    if (response.destroyed) return
  }
  response.end()
})

// Callgate's gateway has as long a queue; Node's default of 511 is shorter than the streams are many.
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(JSON.stringify({ msg: 'listening', url }))
})

async function* tokens({ count, intervalMs, text }: TokensRequest) {
  const words = text.split(/\s+/)
  for (let index = 0; index < count; index++) {
    if (intervalMs > 0) await setTimeout(intervalMs)
    yield { index, text: words[index % words.length] }
  }
}
