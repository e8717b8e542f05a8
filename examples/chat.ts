// Echoes every message, text or binary, for as long as the client stays.

import { defineFunction } from 'callgate'

export default defineFunction({
  route: 'WS /chat',
  maxInputs: 1000,
  async socket(socket) {
    for await (const message of socket) await socket.send(message)
  },
})
