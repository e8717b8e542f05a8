// An HTTP client for load tests: many calls over kept-alive connections, each of which ends in a known
// way. Plain sockets, because it must cost less than what it loads, and because a library would mend
// what we want to see. It never sends a call twice.

import { connect, type Socket } from 'node:net'
import type { CallEnd } from './call-end.js'
import { HttpAnswer } from './http-answer.js'

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
  /** After this it counts as hung. */
  readonly patienceMs: number
  /** It goes away so long after its start, if it is still there. */
  readonly leaveAfterMs?: number
  /** Of its body; the rest stays away. */
  readonly sentBytes?: number
  /** It reads no faster than this. */
  readonly readBytesPerSecond?: number
  /** Takes a connection of its own, and closes it: a newcomer. */
  readonly isNewcomer?: boolean
}

/** A gateway that leaves closes connections that were idle for a second; clients should be quicker. */
const IDLE_MS = 500
/** How often the client looks whether it has itself been held up. */
const TICK_MS = 50
/** How often a slow reader reads. */
const SLOW_READ_MS = 50

export class HttpClient {
  readonly #port: number
  readonly #host: string
  readonly #headText: string
  readonly #idle: Connection[] = []
  readonly #open = new Set<Connection>()
  readonly #pulse = new Pulse()

  /** @param headers of every request */
  constructor(origin: string, headers: Readonly<Record<string, string>> = {}) {
    const { hostname, port, host } = new URL(origin)
    this.#host = hostname
    this.#port = Number(port)
    this.#headText = `host: ${host}\r\n${fieldsOf(headers)}`
  }

  call(request: HttpRequest): Promise<CallEnd> {
    return new Promise((resolve) => {
      const isApart = request.isNewcomer || request.leaveAfterMs !== undefined
      const connection = (isApart ? undefined : this.#takeIdle()) ?? this.#connect()
      connection.run(new Exchange(request, resolve), this.#textOf(request))
    })
  }

  close(): void {
    this.#pulse.stop()
    for (const connection of this.#open) connection.destroy()
  }

  // The one used last: few connections are hot, and the others may go.
  #takeIdle(): Connection | undefined {
    let connection = this.#idle.pop()
    while (connection !== undefined && !connection.isUsable) {
      connection.destroy()
      connection = this.#idle.pop()
    }
    return connection
  }

  #connect(): Connection {
    const connection: Connection = new Connection(connect({ host: this.#host, port: this.#port }), {
      onFree: () => this.#idle.push(connection),
      pulse: this.#pulse,
      onClosed: () => this.#open.delete(connection),
    })
    this.#open.add(connection)
    return connection
  }

  #textOf({ method, path, headers = {}, body, sentBytes, isNewcomer }: HttpRequest): Buffer {
    const bytes = typeof body === 'string' ? Buffer.from(body) : (body ?? NOTHING)
    const own = {
      ...headers,
      ...(isNewcomer ? { connection: 'close' } : {}),
      ...(method === 'POST' ? { 'content-length': String(bytes.byteLength) } : {}),
    }
    const head = `${method} ${path} HTTP/1.1\r\n${this.#headText}${fieldsOf(own)}\r\n`
    return Buffer.concat([Buffer.from(head), bytes.subarray(0, sentBytes)])
  }
}

const NOTHING = Buffer.alloc(0)

/** One call on its connection. Ends once. */
class Exchange {
  readonly answer = new HttpAnswer()
  readonly request: HttpRequest
  readonly #resolve: (end: CallEnd) => void
  readonly #timers: NodeJS.Timeout[] = []

  constructor(request: HttpRequest, resolve: (end: CallEnd) => void) {
    this.request = request
    this.#resolve = resolve
  }

  begin(onGivenUp: () => void): void {
    const { patienceMs, leaveAfterMs } = this.request
    const giveUp = (end: CallEnd) => () => {
      this.end(end)
      onGivenUp()
    }
    this.#timers.push(setTimeout(giveUp({ how: 'hung', afterMs: patienceMs }), patienceMs))
    if (leaveAfterMs !== undefined) {
      this.#timers.push(setTimeout(giveUp({ how: 'left' }), leaveAfterMs))
    }
  }

  end(end: CallEnd): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#resolve(end)
  }
}

/** Tells since when what is read now may have been there: a client that was held up reads it late. */
class Pulse {
  #beforeLastMs = performance.now()
  #lastMs = performance.now()
  readonly #timer = setInterval(() => {
    this.#beforeLastMs = this.#lastMs
    this.#lastMs = performance.now()
  }, TICK_MS).unref()

  get earliestMs(): number {
    return this.#beforeLastMs
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

interface ConnectionOwner {
  readonly pulse: Pulse
  /** It may take another call. */
  onFree(): unknown
  onClosed(): unknown
}

class Connection {
  readonly #socket: Socket
  readonly #owner: ConnectionOwner
  #exchange: Exchange | null = null
  #reason = 'closed'
  #freeSinceMs = 0
  /** What it was when its call began, for who looks for the cause of a lost one. */
  #history = 'new'
  #lastPath = ''

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket
    this.#owner = owner
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#onData(bytes))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason = error.code ?? error.message
    })
    socket.on('end', () => socket.destroy())
    socket.on('close', () => this.#onClosed())
    socket.on('timeout', () => {
      if (this.#exchange === null) socket.destroy()
    })
  }

  /** By the clock, not by its timer: that is late when the client itself has been held up. */
  get isUsable(): boolean {
    return !this.#socket.destroyed && performance.now() - this.#freeSinceMs < IDLE_MS
  }

  run(exchange: Exchange, text: Buffer): void {
    if (this.#freeSinceMs > 0) {
      const silentMs = performance.now() - this.#freeSinceMs
      this.#history = `silent for ${silentMs.toFixed(0)} ms after ${this.#lastPath}`
    }
    this.#lastPath = exchange.request.path
    this.#exchange = exchange
    this.#socket.setTimeout(0)
    exchange.begin(() => this.destroy())
    this.#socket.write(text)
  }

  destroy(): void {
    this.#exchange = null
    this.#socket.destroy()
  }

  #onData(bytes: Buffer): void {
    const exchange = this.#exchange
    // Nobody asked for it; it will be closed as idle.
    if (exchange === null) return
    const { answer, request } = exchange
    answer.push(bytes)
    if (answer.isBroken) {
      exchange.end({ how: 'garbled' })
      return this.destroy()
    }
    if (!answer.isWhole) return this.#pauseFor(bytes.byteLength, request.readBytesPerSecond)
    exchange.end({ how: 'answered', answer })
    this.#exchange = null
    const isKept = !request.isNewcomer && answer.headers.get('connection') !== 'close'
    if (!isKept || request.leaveAfterMs !== undefined) return this.destroy()
    this.#socket.setTimeout(IDLE_MS)
    this.#freeSinceMs = this.#owner.pulse.earliestMs
    this.#owner.onFree()
  }

  #pauseFor(bytes: number, bytesPerSecond: number | undefined): void {
    if (bytesPerSecond === undefined) return
    this.#socket.pause()
    const pauseMs = Math.max(SLOW_READ_MS, (bytes / bytesPerSecond) * 1000)
    setTimeout(() => this.#socket.resume(), pauseMs)
  }

  #onClosed(): void {
    this.#owner.onClosed()
    const exchange = this.#exchange
    this.#exchange = null
    if (exchange === null) return
    const { answer } = exchange
    if (answer.status === 0) {
      const history = `the connection was ${this.#history}`
      exchange.end({ how: 'lost', reason: this.#reason, history })
    } else exchange.end({ how: 'cut', answer })
  }
}

function fieldsOf(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
}
