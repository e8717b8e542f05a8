// The floor: what uWebSockets.js alone costs for the same bytes, with no NATS and no function.

import { loadUws } from '../../gateway/front/uws.js'

const uws = await loadUws()

uws
  .App()
  .get('/', (res) => {
    res.end('hello')
  })
  .post('/echo', (res) => {
    const chunks: Buffer[] = []
    let isAborted = false
    res.onAborted(() => {
      isAborted = true
    })
    res.onData((chunk, isLast) => {
      if (isAborted) return
      if (isLast && chunks.length === 0) return answer(chunk)
      // The engine takes the bytes back when this callback returns.
      chunks.push(Buffer.from(chunk.slice(0)))
      if (isLast) answer(Buffer.concat(chunks))
    })
    function answer(body: ArrayBuffer | Buffer): void {
      res.cork(() => {
        res.writeHeader('content-type', 'application/json').end(body)
      })
    }
  })
  .listen('127.0.0.1', 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
    if (!socket) throw new Error('no free port')
    const url = `http://127.0.0.1:${uws.us_socket_local_port(socket)}`
    console.log(JSON.stringify({ msg: 'listening', url }))
  })
