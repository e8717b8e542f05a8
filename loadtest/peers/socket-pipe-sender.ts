// The near end of a socket between two processes: sends as many bytes as a BodiesLoad asks for, always a
// window of them in flight, as nats-pipe-publisher.ts does, and ends with a BodiesResult.

import { connect } from 'node:net'
import { type BodiesLoad, type BodiesResult, GIB, STALL_MS } from '../generators/bodies.js'
import { MESSAGE_BYTES, WINDOW_BYTES } from './nats-pipe.js'

const load = JSON.parse(process.argv[2]!) as BodiesLoad
const { hostname, port } = new URL(load.url)
const socket = connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true })
const message = Buffer.alloc(MESSAGE_BYTES, 'pipe')
let leftBytes = load.bytes
let sentBytes = 0
let acknowledgedBytes = 0
let pending: Buffer = Buffer.alloc(0)

const cpuBefore = process.cpuUsage()
const startMs = performance.now()
await new Promise<void>((done, fail) => {
  const stall = setTimeout(done, STALL_MS)
  socket.on('error', fail)
  socket.on('data', (bytes) => {
    stall.refresh()
    pending = Buffer.concat([pending, bytes])
    const whole = pending.byteLength - (pending.byteLength % 4)
    for (let at = 0; at < whole; at += 4) acknowledgedBytes += pending.readUInt32BE(at)
    pending = pending.subarray(whole)
    send()
    if (acknowledgedBytes < load.bytes) return
    clearTimeout(stall)
    done()
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
socket.destroy()

function send(): void {
  while (leftBytes > 0 && sentBytes - acknowledgedBytes < WINDOW_BYTES) {
    const part = message.subarray(0, leftBytes)
    socket.write(part)
    leftBytes -= part.byteLength
    sentBytes += part.byteLength
  }
  if (leftBytes === 0 && !socket.writableEnded) socket.end()
}
