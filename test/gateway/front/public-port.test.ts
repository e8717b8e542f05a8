import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import pino from 'pino'
import t from 'tap'
import { KernelSocket } from '../../../gateway/front/kernel-socket.js'
import { PublicPort } from '../../../gateway/front/public-port.js'
import { loadUws } from '../../../gateway/front/uws.js'

const MIB = 1024 * 1024
const OPTIONS = {
  host: '127.0.0.1',
  port: 0,
  sharePort: false,
  receiveBufferBytes: 256 * 1024,
  log: pino({ level: 'silent' }),
}
const BODY_BYTES = 192 * MIB
/** Read before the pause. */
const FREE_BYTES = 64 * MIB

// In a thread of its own: what it sends must not wait for what the engine reads.
const CLIENT = `
  const { connect } = require('node:net')
  const { workerData, parentPort } = require('node:worker_threads')
  const socket = connect(workerData.port, '127.0.0.1')
  socket.write('POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: ${BODY_BYTES}\\r\\n\\r\\n')
  const piece = Buffer.alloc(1024 * 1024)
  let left = ${BODY_BYTES}
  const send = () => {
    while (left > 0) {
      left -= piece.length
      if (!socket.write(piece)) return socket.once('drain', send)
    }
  }
  send()
  socket.on('error', () => {})
`

t.test(
  'a client whose connection is paused is not read any more, however fast it sends',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const uws = await loadUws()
    const app = uws.App()
    t.teardown(() => app.close())
    let bytes = 0
    let bytesAtPause = 0
    const paused = new Promise<() => void>((resolve) => {
      app.any('/*', (res) => {
        res.onAborted(() => {})
        res.onData((chunk) => {
          bytes += chunk.byteLength
          // As long as it takes to put the bytes somewhere: the client is faster than that.
          const untilMs = performance.now() + 1
          while (performance.now() < untilMs);
          // By now the kernel has seen that the connection is a fast one.
          if (bytesAtPause > 0 || bytes < FREE_BYTES) return
          bytesAtPause = bytes
          res.pause()
          resolve(() => res.resume())
        })
      })
    })
    const { number: port } = await PublicPort.open(uws, app, OPTIONS)
    const client = new Worker(CLIENT, { eval: true, workerData: { port } })
    t.teardown(() => client.terminate())
    await once(client, 'online')
    const resume = await paused
    await delay(300)
    const late = bytes - bytesAtPause
    t.ok(late < 2 * MIB, `${late} bytes came after the pause`)
    resume()
    while (bytes < BODY_BYTES) await delay(5)
    t.equal(bytes, BODY_BYTES, 'it goes on when it is let, and nothing is lost')
  },
)

t.test('a port on which nobody listens is said to be none', async (t) => {
  const reason = process.platform === 'linux' ? /not found/ : /not on/
  await t.rejects(KernelSocket.listeningOn(1, new Set()), { message: reason })
})
