// The answer of one invocation on its way out: one REPLY frame when it is whole and small, otherwise
// HEAD, BODY as far as the caller has granted credit, END. Waits in `write` while there is no credit;
// that is what makes a generator wait for a slow client.

import { copyBytes } from '../shared/copy-bytes.js'
import { Allowance } from '../shared/credit.js'
import { headerValue } from '../shared/flat-headers.js'
import { type FlatHeaders, FRAME } from '../shared/frame.js'
import type { Gatherer, Outbox, RoomWaiter } from '../shared/outbox.js'
import { RunnerError } from './runner-error.js'

/** Largest response head on the wire, in bytes. */
const MAX_HEAD_BYTES = 64 * 1024

/** Pieces up to here are worth a copy to be sent together; and so many bytes of them at most. */
const SMALL_BYTES = 1024
const MAX_GATHERED_BYTES = 16 * 1024
/** Of one UTF-16 unit, in UTF-8. */
const MAX_UNIT_BYTES = 3

export class Reply implements Gatherer, RoomWaiter {
  readonly #outbox: Outbox
  readonly #id: number
  readonly #allowance: Allowance
  #hasHead = false
  /** Of a declared content-length, what is still to come. */
  #owedBytes: number | null = null
  #failure: Error | null = null
  // Small pieces of this turn of the event loop, or text: never both, so that they keep their order.
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  /** The credit covers it, but has not been taken: how many bytes it is, nobody has counted. */
  #gatheredText = ''
  /** Wakes the one writer that waits for credit, or for room. */
  #wake: (() => void) | null = null

  constructor(outbox: Outbox, id: number, creditBytes: number) {
    this.#outbox = outbox
    this.#id = id
    this.#allowance = new Allowance(creditBytes)
  }

  /** True once a byte of the answer has left: an error can then only break it off. */
  get hasBegun(): boolean {
    return this.#hasHead
  }

  grant(bytes: number): void {
    this.#allowance.grant(bytes)
    this.#wakeWriter()
  }

  onRoom(): void {
    this.#wakeWriter()
  }

  /** Pending and later writes fail. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wakeWriter()
  }

  /** A whole answer. `headers` need no content-length. */
  async whole(status: number, headers: readonly string[], body: Uint8Array): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (body.length <= this.#allowance.bytes && body.length <= this.#outbox.maxChunkBytes) {
      checkHead(status, headers)
      this.#hasHead = true
      if (!this.#outbox.send([FRAME.reply, this.#id, status, headers, body])) throw tooLarge()
      return
    }
    this.head(status, [...headers, 'content-length', String(body.length)])
    await this.write(body)
    this.end()
  }

  head(status: number, headers: FlatHeaders): void {
    if (this.#failure !== null) throw this.#failure
    checkHead(status, headers)
    this.#hasHead = true
    const length = headerValue(headers, 'content-length')
    if (length !== null) this.#owedBytes = bytesOf(length)
    if (!this.#outbox.send([FRAME.head, this.#id, status, headers])) throw tooLarge()
  }

  /**
   * Sends bytes of the body, which may be reused when all of them were sent: at once, where it returns null,
   * else when the promise resolves.
   * @param isGiven nobody else has these bytes: they need no copy
   */
  write(bytes: Uint8Array, isGiven = false): Promise<void> | null {
    if (this.#owedBytes !== null) {
      this.#owedBytes -= bytes.length
      if (this.#owedBytes < 0) throw new Error('The body is longer than its content-length.')
    }
    const sent = this.#sendAllowed(bytes, 0, isGiven)
    return sent === bytes.length ? null : this.#sendRest(bytes, sent, isGiven)
  }

  /** Sends text of the body, likewise. What one turn gives is encoded in one go, where the credit allows. */
  writeText(text: string): Promise<void> | null {
    if (this.#failure !== null) throw this.#failure
    const roomBytes = Math.min(MAX_GATHERED_BYTES, this.#outbox.maxChunkBytes)
    if ((this.#gatheredText.length + text.length) * MAX_UNIT_BYTES > roomBytes) this.#sendText()
    const bytesAtMost = (this.#gatheredText.length + text.length) * MAX_UNIT_BYTES
    if (bytesAtMost > Math.min(roomBytes, this.#allowance.bytes) || this.#owedBytes !== null) {
      return this.write(Buffer.from(text), true)
    }
    if (this.#gatheredBytes > 0) this.sendGathered()
    if (this.#gatheredText === '') this.#outbox.askBeforeFlush(this)
    this.#gatheredText += text
    return null
  }

  async #sendRest(bytes: Uint8Array, start: number, isGiven: boolean): Promise<void> {
    let at = start
    while (at < bytes.length) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      at = this.#sendAllowed(bytes, at, isGiven)
    }
  }

  /** Sends from `start` what the credit covers and the connection has room for; returns the position after it. */
  #sendAllowed(bytes: Uint8Array, start: number, isGiven: boolean): number {
    if (this.#failure !== null) throw this.#failure
    this.#sendText()
    const chunkBytes = this.#outbox.maxChunkBytes
    let at = start
    while (at < bytes.length) {
      if (bytes.length > SMALL_BYTES && !this.#outbox.hasRoom) {
        this.#outbox.waitForRoom(this)
        break
      }
      const sendBytes = this.#allowance.take(Math.min(bytes.length - at, chunkBytes))
      if (sendBytes === 0) break
      const isWhole = sendBytes === bytes.length
      this.#send(isWhole ? bytes : bytes.subarray(at, at + sendBytes), isGiven)
      at += sendBytes
    }
    return at
  }

  /** Comes before the invocation's last frame. */
  sendGathered(): void {
    this.#sendText()
    if (this.#gatheredBytes === 0) return
    this.#outbox.sendPieces(this.#id, this.#gathered, this.#gatheredBytes)
    this.#gathered = []
    this.#gatheredBytes = 0
  }

  end(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#owedBytes !== null && this.#owedBytes > 0) {
      throw new Error(`The body is ${this.#owedBytes} bytes shorter than its content-length.`)
    }
    this.sendGathered()
    this.#outbox.send([FRAME.end, this.#id])
  }

  #sendText(): void {
    if (this.#gatheredText === '') return
    const bytes = Buffer.from(this.#gatheredText)
    this.#gatheredText = ''
    this.#allowance.take(bytes.length)
    this.#outbox.sendBody(this.#id, bytes)
  }

  /** A small piece waits for the others of this turn: many streams at once would else be a frame a token. */
  #send(bytes: Uint8Array, isGiven: boolean): void {
    // A server may take smaller messages than ours.
    const maxBytes = Math.min(MAX_GATHERED_BYTES, this.#outbox.maxChunkBytes)
    if (bytes.length > SMALL_BYTES || this.#gatheredBytes + bytes.length > maxBytes) {
      this.sendGathered()
    }
    if (bytes.length > SMALL_BYTES) return this.#outbox.sendBody(this.#id, bytes)
    if (this.#gatheredBytes === 0) this.#outbox.askBeforeFlush(this)
    this.#gathered.push(isGiven ? bytes : copyBytes(bytes))
    this.#gatheredBytes += bytes.length
  }

  #wakeWriter(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

/** Callers take what is not as the wire has it for a fault of the runner, and end all of its calls. */
function checkHead(status: number, headers: FlatHeaders): void {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(
      `A Response has the status ${status}; what can be sent is 200 to 599. Make a new Response of what came from elsewhere.`,
    )
  }
  let bytes = 0
  for (const text of headers) {
    if (typeof text !== 'string') throw new TypeError('A header of a Response is not a string.')
    bytes += text.length
  }
  if (bytes > MAX_HEAD_BYTES) {
    throw new RunnerError(
      'function_failed',
      `The response head is larger than ${MAX_HEAD_BYTES} bytes.`,
    )
  }
}

function bytesOf(contentLength: string): number {
  if (!/^\d+$/.test(contentLength)) {
    throw new TypeError(`${JSON.stringify(contentLength)} is no content-length.`)
  }
  return Number(contentLength)
}

/** Of what the NATS server takes in one message. */
function tooLarge(): RunnerError {
  return new RunnerError('function_failed', 'The response head is too large for the NATS server.')
}
