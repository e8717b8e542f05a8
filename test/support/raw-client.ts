// One TCP connection to a server under test: writes bytes exactly as given, reads HTTP/1.1 answers, and
// tells an answer that is complete from one that broke off.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'

const MIN_ROOM = 16 * 1024

export interface RawAnswer {
  readonly status: number
  /** Lower-case names; repeated ones joined with a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** False when the connection ended before the body did. */
  readonly isWhole: boolean
}

export interface RawHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

export class RawClient {
  readonly socket: Socket
  /** Resolves when the connection has ended, in whatever way; true for a reset. */
  readonly closed: Promise<boolean>
  /** What was not taken yet: a view of `#room`, whose end is free. */
  #received = Buffer.alloc(0)
  #room = Buffer.alloc(0)
  #hasEnded = false
  #wasReset = false
  #wake: (() => void) | null = null

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes) => {
      this.#append(bytes)
      this.#wakeReader()
    })
    socket.on('error', () => {
      this.#wasReset = true
    })
    // A server that only half-closes has said its last word, too.
    socket.on('end', () => this.#onEnd())
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#onEnd()
        resolve(this.#wasReset)
      })
    })
  }

  static async connect(t: Test, port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: false })
    const client = new RawClient(socket)
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return client
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Resolves when the bytes have left this process. */
  async write(bytes: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () =>
        resolve(),
      )
    })
  }

  /** Gone without a word: what the server has still to send meets a reset. */
  leave(): void {
    this.socket.resetAndDestroy()
  }

  /** The head of the next answer; null when the connection ended before one. */
  async head(): Promise<RawHead | null> {
    const bytes = await this.#take((received) => {
      const at = received.indexOf('\r\n\r\n')
      return at === -1 ? -1 : at + 4
    })
    if (bytes === null) return null
    const [statusLine = '', ...lines] = bytes.toString('latin1').trimEnd().split('\r\n')
    const headers: Record<string, string> = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      const name = line.slice(0, colon).toLowerCase()
      const value = line.slice(colon + 1).trim()
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
    }
    return { status: Number(statusLine.split(' ')[1]), headers }
  }

  /** The next answer; null when the connection ended before one. */
  async answer({ isToHead = false } = {}): Promise<RawAnswer | null> {
    const head = await this.head()
    if (head === null) return null
    const { status, headers } = head
    if (isToHead || status === 204 || status === 304) {
      return { ...head, body: Buffer.alloc(0), isWhole: true }
    }
    if (headers['transfer-encoding'] === 'chunked') return { ...head, ...(await this.#chunks()) }
    const length = Number(headers['content-length'])
    const body = await this.#take((received) => (received.length >= length ? length : -1))
    return body === null
      ? { ...head, body: this.#rest(), isWhole: false }
      : { ...head, body, isWhole: true }
  }

  /**
   * The next chunk of a chunked body; null at its end, undefined when the connection broke off. The line
   * end after a chunk may come with the next one.
   */
  async chunk(): Promise<Buffer | null | undefined> {
    const line = await this.#take((received) => {
      const at = received.indexOf('\r\n', received[0] === 0x0d ? 2 : 0)
      return at === -1 ? -1 : at + 2
    })
    if (line === null) return undefined
    const length = Number.parseInt(line.toString('latin1').trim(), 16)
    const wanted = length === 0 ? 2 : length
    const bytes = await this.#take((received) => (received.length >= wanted ? wanted : -1))
    if (bytes === null) return undefined
    return length === 0 ? null : bytes
  }

  async #chunks(): Promise<{ body: Buffer; isWhole: boolean }> {
    const chunks: Buffer[] = []
    for (;;) {
      const chunk = await this.chunk()
      if (chunk === null) return { body: Buffer.concat(chunks), isWhole: true }
      if (chunk === undefined) return { body: Buffer.concat(chunks), isWhole: false }
      chunks.push(chunk)
    }
  }

  /** Takes as many bytes as `lengthIn` says, waiting until it says so; null when they never come. */
  async #take(lengthIn: (received: Buffer) => number): Promise<Buffer | null> {
    for (;;) {
      const length = lengthIn(this.#received)
      if (length >= 0) {
        const taken = this.#received.subarray(0, length)
        this.#received = this.#received.subarray(length)
        return taken
      }
      if (this.#hasEnded) return null
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #append(bytes: Buffer): void {
    const from = this.#received.byteOffset - this.#room.byteOffset
    const to = from + this.#received.length
    const length = this.#received.length + bytes.length
    if (to + bytes.length <= this.#room.length) {
      this.#room.set(bytes, to)
      this.#received = this.#room.subarray(from, from + length)
      return
    }
    // A new one, not the old one from its start: what was taken are views of it.
    this.#room = Buffer.allocUnsafeSlow(Math.max(2 * length, MIN_ROOM))
    this.#room.set(this.#received)
    this.#room.set(bytes, this.#received.length)
    this.#received = this.#room.subarray(0, length)
  }

  #rest(): Buffer {
    const rest = this.#received
    this.#received = rest.subarray(rest.length)
    return rest
  }

  #onEnd(): void {
    this.#hasEnded = true
    this.#wakeReader()
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}
