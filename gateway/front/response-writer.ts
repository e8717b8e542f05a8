// Writes one answer to one client: the only place that knows uWebSockets.js' rules of writing. After
// `abandon` (the client has left) nothing is written any more.
//
//   idle ──whole──▶ done          idle ──begin──▶ streaming ──end──▶ ending ──▶ done
//                                                     └──breakOff──────────────▶ done
//
// `ending` waits for the client to take what it was sent: the engine would take it all over and tell
// nobody how much of it there is.
//
// A body of known length goes through `tryEnd`, which keeps its Content-Length; any other is a `ChunkedBody`.
// Both know when the client's socket is full; `onSent` tells the bytes that have left our hands.

import type { HttpResponse } from 'uWebSockets.js'
import { STATUS_CODES } from 'node:http'
import { copyBytes } from '../../shared/copy-bytes.js'
import { headerValue } from '../../shared/flat-headers.js'
import type { FlatHeaders } from '../../shared/frame.js'
import { ChunkedBody } from './chunked-body.js'

const STATUS_LINES = new Map(
  Object.entries(STATUS_CODES).map(([status, text]) => [Number(status), `${status} ${text}`]),
)

const NOTHING = new Uint8Array(0)
/** Names of the CORS protocol's fields of answers. */
const CORS_PREFIX = 'access-control-'
/** Clients read so much at once, mostly. */
const UNREAD_BYTES = 64 * 1024

type WriterState = 'idle' | 'streaming' | 'ending' | 'done'

/**
 * What becomes of the connection. `close`: the client is told to close it, and what it still sends is
 * dropped by the engine. `cut`: the engine closes it as well, which can cost a client that still sends the
 * answer.
 */
export type AfterAnswer = 'keep' | 'close' | 'cut'

export interface WriterListener {
  /** So many bytes of `write` have been taken over by the client's socket, or will never be. */
  onSent(bytes: number): void
  /** Nothing of the answer is left in our hands; once, unless the client has left. */
  onDone(): void
}

export class ResponseWriter {
  readonly #res: HttpResponse
  readonly #callId: string
  readonly #isHead: boolean
  /** What the gateway says of who may read the answer, instead of the function. */
  readonly #corsFields: FlatHeaders | null
  readonly #listener: WriterListener
  #state: WriterState = 'idle'
  #status = 0
  /** Bytes given to `write` that the client's socket has not taken yet. */
  #unsentBytes = 0
  #sentBytes = 0
  /** Of a body of known length. */
  #totalBytes: number | null = null
  #waiting: Uint8Array[] = []
  /** The last byte waits for `end`. */
  #holdsEnd = false
  #heldEnd: Uint8Array | null = null
  /** Of a body of unknown length. */
  #chunks: ChunkedBody | null = null

  /** @param corsFields null: that is left to the function */
  constructor(
    res: HttpResponse,
    callId: string,
    isHead: boolean,
    listener: WriterListener,
    corsFields: FlatHeaders | null = null,
  ) {
    this.#res = res
    this.#callId = callId
    this.#isHead = isHead
    this.#corsFields = corsFields
    this.#listener = listener
  }

  get hasBegun(): boolean {
    return this.#state !== 'idle'
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  get status(): number {
    return this.#status
  }

  /** The kernels hold much of the answer, as far as we know: its client may have yet to read it. */
  get mayBeUnread(): boolean {
    return this.#sentBytes > UNREAD_BYTES
  }

  /** Bytes of the body that were written. */
  get bodyBytes(): number {
    return this.#sentBytes
  }

  /**
   * A whole answer.
   * @param connection see `AfterAnswer`
   */
  whole(
    status: number,
    headers: FlatHeaders,
    body: Uint8Array | string,
    connection: AfterAnswer = 'keep',
  ): void {
    if (this.#state !== 'idle') return
    this.#state = 'done'
    const res = this.#res
    res.cork(() => {
      this.#writeHead(status, headers)
      if (connection === 'close') res.writeHeader('connection', 'close')
      if (this.#isHead || isBodiless(status)) {
        const reportedBytes = this.#reportedLength(status, headers, body.length)
        this.#endWithoutBody(reportedBytes, connection)
      } else {
        this.#sentBytes = body.length
        res.end(body, connection === 'cut')
      }
    })
    this.#listener.onDone()
  }

  /**
   * The beginning of an answer whose body follows in `write`.
   * @param connection but not `cut`, which the engine does only behind a whole answer: `close` instead
   * @param holdsEnd keeps the last byte until `end`, also of a known length: with it the answer ends
   */
  begin(
    status: number,
    headers: FlatHeaders,
    connection: AfterAnswer = 'keep',
    holdsEnd = false,
  ): void {
    if (this.#state !== 'idle') return
    const res = this.#res
    if (this.#isHead || isBodiless(status)) {
      this.#state = 'done'
      res.cork(() => {
        this.#writeHead(status, headers)
        if (connection === 'close') res.writeHeader('connection', 'close')
        this.#endWithoutBody(this.#reportedLength(status, headers, undefined), connection)
      })
      this.#listener.onDone()
      return
    }
    this.#state = 'streaming'
    this.#totalBytes = contentLengthOf(headers)
    this.#holdsEnd = holdsEnd
    if (this.#totalBytes === null) this.#chunks = new ChunkedBody(res)
    res.onWritable(() => this.#onWritable())
    res.cork(() => {
      this.#writeHead(status, headers)
      if (connection !== 'keep') res.writeHeader('connection', 'close')
    })
  }

  /** A piece of the body; may be reused on return. */
  write(bytes: Uint8Array): void {
    if (this.#state !== 'streaming' || bytes.length === 0) return
    this.#sentBytes += bytes.length
    this.#unsentBytes += bytes.length
    if (this.#chunks !== null) {
      this.#chunks.write(bytes)
      this.#reportSent()
    } else if (this.#holdsEnd && this.#sentBytes === this.#totalBytes) {
      this.#heldEnd = copyBytes(bytes.subarray(-1))
      this.#writeCounted(bytes.subarray(0, -1))
    } else this.#writeCounted(bytes)
  }

  /**
   * Text of the gateway's own, between pieces of the body; takes no credit. Not into a body of known length,
   * nor where the client has yet to take what was written before.
   */
  insert(text: string): void {
    if (this.#state !== 'streaming' || this.#chunks === null || this.#chunks.isWaiting) return
    this.#res.cork(() => this.#res.write(text))
  }

  /**
   * The body is complete.
   * @param last its last bytes: written here, they cost no system call of their own
   */
  end(last: Uint8Array = NOTHING): void {
    if (this.#state !== 'streaming') return
    if (this.#chunks !== null && this.#unsentBytes === 0) {
      this.#sentBytes += last.length
      return this.#complete(last)
    }
    this.write(last)
    if (this.#heldEnd !== null) this.#writeCounted(this.#heldEnd)
    // Of a known length, and with the last byte of it written: the engine has ended the answer.
    if (this.#state !== 'streaming') return
    this.#state = 'ending'
    if (this.#unsentBytes > 0 || this.#waiting.length > 0) return
    // Shorter than it was declared: the client must not take it for whole.
    if ((this.#totalBytes ?? 0) > this.#sentBytes) this.breakOff()
    else this.#complete()
  }

  /** The answer cannot be completed: the client must see it as broken, so the connection goes. */
  breakOff(): void {
    if (this.#state !== 'streaming' && this.#state !== 'ending') return
    this.abandon()
    this.#res.close()
    this.#listener.onDone()
  }

  /** The client has left. */
  abandon(): void {
    this.#state = 'done'
    this.#waiting = []
    this.#chunks?.clear()
    this.#reportSent()
  }

  #writeHead(status: number, headers: FlatHeaders): void {
    this.#status = status
    const res = this.#res
    if (status !== 200) res.writeStatus(STATUS_LINES.get(status) ?? `${status} Unknown`)
    const corsFields = this.#corsFields
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index]!
      if (isOurs(name) || (corsFields !== null && name.startsWith(CORS_PREFIX))) continue
      res.writeHeader(name, fieldValue(headers[index + 1]!))
    }
    if (corsFields !== null) this.#writeFields(corsFields)
    res.writeHeader('x-call-id', this.#callId)
  }

  #writeFields(fields: FlatHeaders): void {
    for (let index = 0; index < fields.length; index += 2) {
      this.#res.writeHeader(fields[index]!, fields[index + 1]!)
    }
  }

  #endWithoutBody(reportedBytes: number | undefined, connection: AfterAnswer): void {
    const res = this.#res
    if (reportedBytes !== undefined)
      return void res.endWithoutBody(reportedBytes, connection === 'cut')
    // The engine closes only behind a length, and an `undefined` one would be written as a number.
    if (connection === 'cut') res.writeHeader('connection', 'close')
    res.endWithoutBody()
  }

  #reportedLength(
    status: number,
    headers: FlatHeaders,
    bodyBytes: number | undefined,
  ): number | undefined {
    if (status === 204 || status === 304) return undefined
    return contentLengthOf(headers) ?? bodyBytes
  }

  #writeCounted(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (this.#waiting.length > 0) this.#waiting.push(copyBytes(bytes))
    else this.#tryEnd(bytes)
  }

  /** Sends what the socket takes, keeps the rest. */
  #tryEnd(bytes: Uint8Array): boolean {
    const res = this.#res
    const total = this.#totalBytes!
    const before = res.getWriteOffset()
    let isTaken = false
    let isDone = false
    res.cork(() => {
      ;[isTaken, isDone] = res.tryEnd(bytes, total)
    })
    if (isDone) {
      // With its last byte the engine has ended the answer by itself.
      this.#state = 'done'
      this.#reportSent()
      this.#listener.onDone()
      return true
    }
    if (isTaken) {
      if (this.#waiting.length === 0) this.#reportSent()
      return true
    }
    const taken = res.getWriteOffset() - before
    this.#waiting.unshift(copyBytes(bytes.subarray(taken)))
    return false
  }

  /** Tries again what the client has not taken, which sets the engine's clock anew. */
  retry(): void {
    if (this.#waiting.length > 0) this.#onWritable()
    else if (!this.isDone) this.#chunks?.flush()
  }

  #onWritable(): boolean {
    if (this.isDone) return true
    if (this.#chunks !== null) {
      this.#chunks.onWritable()
      this.#reportSent()
      if (this.#state === 'ending' && this.#unsentBytes === 0) this.#complete()
      // False would be for the engine's own way of writing the rest.
      return true
    }
    while (this.#waiting.length > 0) {
      if (!this.#tryEnd(this.#waiting.shift()!)) return false
      if (this.isDone) return true
    }
    this.#reportSent()
    if (this.#state === 'ending') this.#complete()
    return true
  }

  #complete(last: Uint8Array = NOTHING): void {
    this.#state = 'done'
    this.#res.cork(() => {
      // Not in `end`, which would declare the length of an answer that has only now begun.
      if (last.length > 0) this.#res.write(last)
      this.#res.end()
    })
    if (last.length > 0) this.#listener.onSent(last.length)
    this.#listener.onDone()
  }

  #reportSent(): void {
    const unsentBytes = this.#chunks?.unsentBytes ?? 0
    const bytes = this.#unsentBytes - unsentBytes
    this.#unsentBytes = unsentBytes
    if (bytes > 0) this.#listener.onSent(bytes)
  }
}

/** Whether the engine or we write it ourselves. A set would have to hash the name, which is new in each answer. */
function isOurs(name: string): boolean {
  switch (name) {
    case 'content-length':
    case 'transfer-encoding':
    case 'connection':
    case 'keep-alive':
    case 'date':
    case 'x-call-id':
      return true
    default:
      return false
  }
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 304
}

function contentLengthOf(headers: FlatHeaders): number | null {
  const text = headerValue(headers, 'content-length')
  if (text === null) return null
  const bytes = Number(text)
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null
}

/** Its characters stand for bytes; of a text, the engine would write them in UTF-8. */
function fieldValue(text: string): string | Uint8Array {
  return /[\x80-\xff]/.test(text) ? Buffer.from(text, 'latin1') : text
}
