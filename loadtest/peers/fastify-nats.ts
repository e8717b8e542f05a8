// What one would write without Callgate: Fastify in front, a request over NATS for each call, JSON
// all the way. It has no authentication, no log, no queue, no credit and no cancelling.

import { connect } from '@nats-io/transport-node'
import Fastify from 'fastify'

const CALL_TIMEOUT_MS = 5_000

const connection = await connect({ servers: process.argv[2]! })
const app = Fastify({ logger: false })

app.post('/echo', async (request) => {
  const answer = await connection.request('fastify.echo', JSON.stringify(request.body), {
    timeout: CALL_TIMEOUT_MS,
  })
  return answer.json()
})

const url = await app.listen({ host: '127.0.0.1', port: 0 })
console.log(JSON.stringify({ msg: 'listening', url }))
