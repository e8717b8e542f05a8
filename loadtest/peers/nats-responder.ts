// The far end of a bare nc.request(): sends every message back.

import { connect } from '@nats-io/transport-node'
import { SUBJECT } from './nats-request.js'

const connection = await connect({ servers: process.argv[2]! })
connection.subscribe(SUBJECT, {
  callback: (error, message) => {
    if (error) throw error
    message.respond(message.data)
  },
})
await connection.flush()
console.log(JSON.stringify({ msg: 'ready' }))
