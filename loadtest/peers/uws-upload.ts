// What receiving a body costs uWebSockets.js alone: it counts the bytes and looks at none of them.

import { loadUws } from '../../gateway/front/uws.js'

const uws = await loadUws()

uws
  .App()
  .post('/digest', (res) => {
    let bytes = 0
    let isAborted = false
    res.onAborted(() => {
      isAborted = true
    })
    res.onData((chunk, isLast) => {
      bytes += chunk.byteLength
      if (!isLast || isAborted) return
      res.cork(() => {
        res.writeHeader('content-type', 'application/json').end(JSON.stringify({ bytes }))
      })
    })
  })
  .listen('127.0.0.1', 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
    if (!socket) throw new Error('no free port')
    const url = `http://127.0.0.1:${uws.us_socket_local_port(socket)}`
    console.log(JSON.stringify({ msg: 'listening', url }))
  })
