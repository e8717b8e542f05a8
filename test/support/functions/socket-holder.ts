// Tells its process id, and holds the connection for as long as the client does.

import { defineFunction } from '../../../runner/define-function.js'

export default defineFunction({
  name: 'holder',
  route: 'WS /holder',
  auth: 'public',
  maxInputs: 10,
  socket: async (socket) => {
    await socket.send(String(process.pid))
    for await (const _message of socket);
  },
})
