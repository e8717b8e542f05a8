// A port for processes that must all be given the same one, so that it cannot be 0. Below those that the
// system gives to outgoing connections, so that none of them can take it in between.

import { once } from 'node:events'
import { createServer } from 'node:net'

const FIRST = 10_000
const COUNT = 20_000

export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    const server = createServer().listen(port, '127.0.0.1')
    const [fault] = await Promise.race([once(server, 'listening'), once(server, 'error')]).catch(
      (error) => [error],
    )
    if (fault !== undefined) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
