// The near end of the bare transport: sends as many bytes as a BodiesLoad asks for, always a window
// of them in flight, and ends with a BodiesResult. No frames, no checks of content, no HTTP.

import { connect } from '@nats-io/transport-node'
import { type BodiesLoad, type BodiesResult, GIB, STALL_MS } from '../generators/bodies.js'
import { MESSAGE_BYTES, SUBJECT, WINDOW_BYTES } from './nats-pipe.js'

const load = JSON.parse(process.argv[2]!) as BodiesLoad
const connection = await connect({ servers: load.url })
const message = Buffer.alloc(MESSAGE_BYTES, 'pipe')
const inbox = 'pipe-acknowledged'
let leftBytes = load.bytes
let sentBytes = 0
let acknowledgedBytes = 0

const cpuBefore = process.cpuUsage()
const startMs = performance.now()
await new Promise<void>((done) => {
  const stall = setTimeout(done, STALL_MS)
  connection.subscribe(inbox, {
    callback: (error, answer) => {
      if (error) throw error
      stall.refresh()
      acknowledgedBytes += Number(answer.string())
      send()
      if (acknowledgedBytes < load.bytes) return
      clearTimeout(stall)
      done()
    },
  })
  send()
})
const seconds = (performance.now() - startMs) / 1000
const { user, system } = process.cpuUsage(cpuBefore)
const result: BodiesResult = {
  count: acknowledgedBytes / GIB,
  seconds,
  errors: { 'bytes lost': load.bytes - acknowledgedBytes },
  cpuMs: (user + system) / 1000,
}
console.log(JSON.stringify(result))
await connection.close()

function send(): void {
  while (leftBytes > 0 && sentBytes - acknowledgedBytes < WINDOW_BYTES) {
    const part = message.subarray(0, leftBytes)
    connection.publish(SUBJECT, part, { reply: inbox })
    leftBytes -= part.byteLength
    sentBytes += part.byteLength
  }
}
