// A response that is never answered, so that there is always one to cork.
//
// Why: `res.upgrade` must be called inside some `cork`, or the engine complains on standard error. Inside
// `cork` of its own response it may cut the connection: the engine looks at the response afterwards, in
// memory that is the WebSocket's by then, and now and then finds there what means "close" (uWebSockets.js
// 20.57; about one connection in twenty was cut right after its 101). Inside another's `cork` neither
// happens. So the gateway holds one connection to itself; not over its public port, which may be shared
// with other processes.

import type { HttpResponse, TemplatedApp } from 'uWebSockets.js'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { listen } from './listen.js'
import type { Uws } from './uws.js'

const LOOPBACK = '127.0.0.1'

export class CorkAnchor {
  readonly #app: TemplatedApp
  #res: HttpResponse | null = null

  private constructor(app: TemplatedApp) {
    this.#app = app
  }

  /** Resolves when there is something to cork. */
  static async hold(uws: Uws): Promise<CorkAnchor> {
    const app = uws.App()
    const anchor = new CorkAnchor(app)
    const socket = await listen(uws, app, LOOPBACK, 0, { flag: '--host' })
    try {
      await anchor.#connect(uws.us_socket_local_port(socket))
    } finally {
      // Nobody else is to come.
      uws.us_listen_socket_close(socket)
    }
    return anchor
  }

  /** Runs `upgrade` where the engine neither complains nor cuts. */
  run(upgrade: () => void): void {
    if (this.#res === null) upgrade()
    else this.#res.cork(upgrade)
  }

  close(): void {
    this.#res = null
    this.#app.close()
  }

  #connect(port: number): Promise<void> {
    // Known to nobody but us.
    const path = `/${randomUUID()}`
    return new Promise((resolve, reject) => {
      this.#app.get(path, (res) => {
        res.onAborted(() => {
          this.#res = null
        })
        this.#res = res
        resolve()
      })
      const socket = connect(port, LOOPBACK)
      socket.once('error', reject)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    })
  }
}
