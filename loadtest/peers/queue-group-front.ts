// node:http in front of a NATS queue group: a request for each call, and nothing else.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from '@nats-io/transport-node'

const CALL_TIMEOUT_MS = 60_000

const connection = await connect({ servers: process.argv[2]! })
const server = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray())
  const answer = await connection.request('queue-group.work', body, { timeout: CALL_TIMEOUT_MS })
  const text = answer.string()
  response.writeHead(200, { 'content-length': Buffer.byteLength(text) }).end(text)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
console.log(JSON.stringify({ msg: 'listening', url }))
