// One of the processes that would hold a model, in a NATS queue group: the server picks one at random
// for each message, and this one works on a message at a time.

import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import type { WorkInput } from '../functions/work-input.js'

const connection = await connect({ servers: process.argv[2]! })
const subscription = connection.subscribe('queue-group.work', { queue: 'members' })
await connection.flush()
console.log(JSON.stringify({ msg: 'ready' }))

for await (const message of subscription) {
  const { id, ms } = message.json() as WorkInput
  await delay(ms)
  message.respond(JSON.stringify({ id, ms }))
}
