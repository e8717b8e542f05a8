// The floor of a WebSocket: uWebSockets.js alone, sending every message back, with no NATS.

import { loadUws } from '../../gateway/front/uws.js'

const uws = await loadUws()

uws
  .App()
  .ws('/chat', {
    message: (socket, message, isBinary) => {
      socket.send(message, isBinary)
    },
  })
  .listen('127.0.0.1', 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
    if (!socket) throw new Error('no free port')
    const url = `http://127.0.0.1:${uws.us_socket_local_port(socket)}`
    console.log(JSON.stringify({ msg: 'listening', url }))
  })
