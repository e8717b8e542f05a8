// One WebSocket as bytes: frames exactly as given, right or wrong, and the frames that come back. For what
// no client library would ever send, or would not show.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface Frame {
  readonly isLast: boolean
  /** RSV1 to RSV3 as a number: 4 is RSV1, the mark of a compressed message. */
  readonly reserved: number
  readonly opcode: number
  readonly payload: Buffer
}

export interface FrameParts {
  readonly opcode: number
  readonly payload?: Uint8Array | string
  readonly isLast?: boolean
  readonly reserved?: number
  readonly isMasked?: boolean
  /** Bytes of the length field: 0, 2 or 8; by default the fewest that hold it. */
  readonly lengthBytes?: 0 | 2 | 8
  /** What the length field says, where it is not the payload's length. */
  readonly claimedLength?: number
}

export interface Upgrade {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
}

const MASK = randomBytes(4)

/** One frame of a client, as it goes onto the connection. */
export function frameBytes({
  opcode,
  payload = '',
  isLast = true,
  reserved = 0,
  isMasked = true,
  lengthBytes,
  claimedLength,
}: FrameParts): Buffer {
  const body = Buffer.from(payload as Uint8Array)
  const length = claimedLength ?? body.length
  const lengthField = lengthBytes ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8)
  const head = Buffer.alloc(2 + lengthField)
  head[0] = (isLast ? 0x80 : 0) | (reserved << 4) | opcode
  head[1] = (isMasked ? 0x80 : 0) | (lengthField === 0 ? length : lengthField === 2 ? 126 : 127)
  if (lengthField === 2) head.writeUInt16BE(length, 2)
  if (lengthField === 8) head.writeBigUInt64BE(BigInt(length), 2)
  if (!isMasked) return Buffer.concat([head, body])
  const [a, b, c, d] = MASK as unknown as [number, number, number, number]
  for (let index = 0; index < body.length; index += 4) {
    body[index]! ^= a
    body[index + 1]! ^= b
    body[index + 2]! ^= c
    body[index + 3]! ^= d
  }
  return Buffer.concat([head, MASK, body])
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: string | Uint8Array = ''): Buffer {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(code)
  return Buffer.concat([head, Buffer.from(reason as Uint8Array)])
}

export class RawSocket {
  readonly socket: Socket
  /** Resolves when the connection has ended, in whatever way; true for a reset. */
  readonly closed: Promise<boolean>
  /** Of the handshake's answer. */
  status = 0
  headers: Readonly<Record<string, string>> = {}
  #received: Buffer[] = []
  #receivedBytes = 0
  #hasEnded = false
  #wasReset = false
  #wake: (() => void) | null = null

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes) => {
      this.#received.push(bytes)
      this.#receivedBytes += bytes.length
      this.#wakeReader()
    })
    socket.on('error', () => {
      this.#wasReset = true
    })
    socket.on('end', () => this.#onEnd())
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#onEnd()
        resolve(this.#wasReset)
      })
    })
  }

  /** Shakes hands; throws when the answer is not 101. */
  static async open(
    t: Test,
    port: number,
    { path = '/', headers = {} }: Upgrade = {},
  ): Promise<RawSocket> {
    const socket = connect({ host: '127.0.0.1', port })
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    const raw = new RawSocket(socket)
    const key = randomBytes(16).toString('base64')
    const fields = {
      Host: '127.0.0.1',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
      ...headers,
    }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
    await raw.#readHead()
    if (raw.status !== 101) throw new Error(`The handshake was answered with ${raw.status}.`)
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    if (raw.headers['sec-websocket-accept'] !== accept.digest('base64')) {
      throw new Error('The handshake was answered for another key.')
    }
    return raw
  }

  /** Bytes that have come and that no `frame` has returned. */
  get unreadBytes(): number {
    return this.#receivedBytes
  }

  /** Resolves when the bytes have left this process, or the connection has ended. */
  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.socket.write(bytes, () => resolve())
    })
  }

  send(frame: FrameParts): Promise<void> {
    return this.write(frameBytes(frame))
  }

  /** The next frame; null when the connection ended before one was whole. */
  async frame(): Promise<Frame | null> {
    const head = await this.#take(2)
    if (head === null) return null
    let length = head[1]! & 0x7f
    if (length === 126) {
      const field = await this.#take(2)
      if (field === null) return null
      length = field.readUInt16BE()
    } else if (length === 127) {
      const field = await this.#take(8)
      if (field === null) return null
      length = Number(field.readBigUInt64BE())
    }
    const payload = await this.#take(length)
    if (payload === null) return null
    return {
      isLast: (head[0]! & 0x80) !== 0,
      reserved: (head[0]! >> 4) & 7,
      opcode: head[0]! & 0xf,
      payload,
    }
  }

  /** Gone without a word. */
  leave(): void {
    this.socket.resetAndDestroy()
  }

  async #readHead(): Promise<void> {
    let at = -1
    while (at === -1) {
      await this.#untilBytes(this.#receivedBytes + 1)
      if (this.#hasEnded) return
      at = Buffer.concat(this.#received).indexOf('\r\n\r\n')
    }
    const [statusLine = '', ...lines] = (await this.#take(at + 4))!
      .toString('latin1')
      .trimEnd()
      .split('\r\n')
    this.status = Number(statusLine.split(' ')[1])
    this.headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
  }

  async #take(length: number): Promise<Buffer | null> {
    await this.#untilBytes(length)
    if (this.#receivedBytes < length) return null
    const all = this.#received.length === 1 ? this.#received[0]! : Buffer.concat(this.#received)
    this.#received = all.length > length ? [all.subarray(length)] : []
    this.#receivedBytes = all.length - length
    return all.subarray(0, length)
  }

  async #untilBytes(length: number): Promise<void> {
    while (this.#receivedBytes < length && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
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
