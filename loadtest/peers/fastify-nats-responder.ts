// The other half of fastify-nats: one of the processes that would hold a model.

import { connect } from '@nats-io/transport-node'

const connection = await connect({ servers: process.argv[2]! })
const subscription = connection.subscribe('fastify.echo', { queue: 'responders' })
await connection.flush()
console.log(JSON.stringify({ msg: 'ready' }))

for await (const message of subscription) {
  message.respond(JSON.stringify(message.json()))
}
