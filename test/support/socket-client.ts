// A `ws` client that keeps what it hears in order, so that a test can wait for one message after another,
// and for the close with its code and reason.

import { once } from 'node:events'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'

export interface Closed {
  readonly code: number
  readonly reason: string
}

export interface SocketOptions extends ClientOptions {
  readonly protocols?: readonly string[]
}

export class SocketClient {
  readonly ws: WebSocket
  readonly closed: Promise<Closed>
  #unread: (string | Buffer)[] = []
  #hasEnded = false
  #wake: (() => void) | null = null

  private constructor(ws: WebSocket) {
    this.ws = ws
    ws.on('message', (data: Buffer, isBinary) => {
      this.#unread.push(isBinary ? data : data.toString('utf8'))
      this.#wakeReader()
    })
    // A connection that breaks is told by its close.
    ws.on('error', () => {})
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.#hasEnded = true
        this.#wakeReader()
        resolve({ code, reason: reason.toString('utf8') })
      })
    })
  }

  /** Resolves when the handshake is done; throws what `refusedSocket` reads when it is refused. */
  static async open(t: Test, url: string, options: SocketOptions = {}): Promise<SocketClient> {
    const client = SocketClient.start(t, url, options)
    const refused = once(client.ws, 'unexpected-response').then(([, response]) => {
      throw new Error(`The handshake was answered with ${response.statusCode}.`)
    })
    await Promise.race([once(client.ws, 'open'), refused])
    return client
  }

  /** Does not wait for the handshake. */
  static start(t: Test, url: string, options: SocketOptions = {}): SocketClient {
    const { protocols = [], ...rest } = options
    const ws = new WebSocket(url.replace(/^http/, 'ws'), [...protocols], rest)
    t.teardown(() => ws.terminate())
    return new SocketClient(ws)
  }

  get unread(): number {
    return this.#unread.length
  }

  /** Resolves when the message has been given to the operating system. */
  async send(data: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.ws.send(data, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** The next message, a string or bytes; null when the connection has closed before one. */
  async next(): Promise<string | Buffer | null> {
    for (;;) {
      const next = this.#unread.shift()
      if (next !== undefined) return next
      if (this.#hasEnded) return null
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async close(code?: number, reason?: string): Promise<Closed> {
    this.ws.close(code, reason)
    return this.closed
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

/** The HTTP answer of a handshake that is refused. */
export async function refusedSocket(
  t: Test,
  url: string,
  options: SocketOptions = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  const client = SocketClient.start(t, url, options)
  const opened = once(client.ws, 'open').then(() => {
    throw new Error('The handshake was not refused.')
  })
  const [, response] = await Promise.race([once(client.ws, 'unexpected-response'), opened])
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode, headers: response.headers, body }
}
