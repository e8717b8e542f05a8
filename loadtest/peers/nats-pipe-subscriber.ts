// The far end of the bare transport: counts the bytes of each message and says so to the publisher.

import { connect } from '@nats-io/transport-node'
import { SUBJECT } from './nats-pipe.js'

const connection = await connect({ servers: process.argv[2]! })
connection.subscribe(SUBJECT, {
  callback: (error, message) => {
    if (error) throw error
    message.respond(String(message.data.byteLength))
  },
})
await connection.flush()
console.log(JSON.stringify({ msg: 'ready' }))
