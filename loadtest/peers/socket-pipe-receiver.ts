// The far end of a socket between two processes, without a server between them: counts the bytes of each
// connection and says after every message's worth how many there are, as four bytes.

import { createServer } from 'node:net'
import { MESSAGE_BYTES } from './nats-pipe.js'

const server = createServer((socket) => {
  let unsaidBytes = 0
  socket.on('data', (bytes) => {
    unsaidBytes += bytes.byteLength
    while (unsaidBytes >= MESSAGE_BYTES) {
      unsaidBytes -= MESSAGE_BYTES
      say(MESSAGE_BYTES)
    }
  })
  socket.on('end', () => {
    say(unsaidBytes)
    socket.end()
  })
  const say = (count: number) => {
    const acknowledgement = Buffer.alloc(4)
    acknowledgement.writeUInt32BE(count)
    socket.write(acknowledgement)
  }
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  console.log(JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${port}` }))
})
