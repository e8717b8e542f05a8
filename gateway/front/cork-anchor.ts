// A response that is never answered, so that there is always one to cork.
//
// Why: `res.upgrade` must be called inside some `cork`, or the engine complains on standard error. Inside
// `cork` of its own response it may cut the connection: the engine looks at the response afterwards, in
// memory that is the WebSocket's by then, and now and then finds there what means "close" (uWebSockets.js
// 20.57; about one connection in twenty was cut right after its 101). Inside another's `cork` neither
// happens. So the gateway holds one connection to itself.

import type { HttpResponse, TemplatedApp } from 'uWebSockets.js'
import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export class CorkAnchor {
  readonly #path = `/${randomUUID()}`
  #res: HttpResponse | null = null
  #socket: Socket | null = null
  #onHeld: () => void = () => {}

  /** Before the app listens. The path is known to nobody but us. */
  constructor(app: TemplatedApp) {
    app.get(this.#path, (res) => {
      res.onAborted(() => {
        this.#res = null
      })
      this.#res = res
      this.#onHeld()
    })
  }

  /** Connects to the port that the app listens on; resolves when there is something to cork. */
  hold(host: string, port: number): Promise<void> {
    const isAny = host === '0.0.0.0' || host === '::'
    return new Promise((resolve, reject) => {
      this.#onHeld = resolve
      const socket = connect(port, isAny ? '127.0.0.1' : host)
      socket.once('error', reject)
      socket.write(`GET ${this.#path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      this.#socket = socket
    })
  }

  /** Runs `upgrade` where the engine neither complains nor cuts. */
  run(upgrade: () => void): void {
    if (this.#res === null) upgrade()
    else this.#res.cork(upgrade)
  }

  close(): void {
    this.#res = null
    this.#socket?.destroy()
  }
}
