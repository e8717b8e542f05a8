// Holds WebSockets on which nothing happens, and answers what comes after all.

import { defineFunction } from 'callgate'
import { slots } from './slots.js'

export default defineFunction({
  name: 'quiet',
  route: 'WS /chat',
  maxInputs: slots,
  async socket(socket) {
    for await (const message of socket) await socket.send(message)
  },
})
