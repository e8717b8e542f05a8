// The answer of one invocation on its way out: one REPLY frame when it is whole and small, otherwise
// HEAD, BODY as far as the caller has granted credit, END. Waits in `write` while there is no credit;
// that is what makes a generator wait for a slow client.

import { Allowance } from '../shared/credit.js'
import { CallError } from '../shared/errors.js'
import { headerValue } from '../shared/flat-headers.js'
import { type FlatHeaders, FRAME } from '../shared/frame.js'
import type { Outbox } from '../shared/outbox.js'

/** Largest response head on the wire, in bytes. */
const MAX_HEAD_BYTES = 64 * 1024

export class Reply {
  readonly #outbox: Outbox
  readonly #id: number
  readonly #allowance: Allowance
  #hasHead = false
  /** Of a declared content-length, what is still to come. */
  #owedBytes: number | null = null
  #failure: Error | null = null
  /** Wakes the one writer that waits for credit. */
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

  /** Pending and later writes fail. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wakeWriter()
  }

  /** A whole answer. `headers` need no content-length. */
  async whole(status: number, headers: readonly string[], body: Uint8Array): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (body.length <= this.#allowance.bytes && body.length <= this.#outbox.maxChunkBytes) {
      this.#hasHead = true
      checkHead(headers)
      if (!this.#outbox.send([FRAME.reply, this.#id, status, headers, body])) throw tooLarge()
      return
    }
    this.head(status, [...headers, 'content-length', String(body.length)])
    await this.write(body)
    this.end()
  }

  head(status: number, headers: FlatHeaders): void {
    if (this.#failure !== null) throw this.#failure
    checkHead(headers)
    this.#hasHead = true
    const length = headerValue(headers, 'content-length')
    if (length !== null) this.#owedBytes = Number(length)
    if (!this.#outbox.send([FRAME.head, this.#id, status, headers])) throw tooLarge()
  }

  /** Sends bytes of the body; resolves when all of them were sent. They may be reused then. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#owedBytes !== null) {
      this.#owedBytes -= bytes.length
      if (this.#owedBytes < 0) throw new Error('The body is longer than its content-length.')
    }
    const chunkBytes = this.#outbox.maxChunkBytes
    let at = 0
    while (at < bytes.length) {
      if (this.#failure !== null) throw this.#failure
      const sendBytes = this.#allowance.take(Math.min(bytes.length - at, chunkBytes))
      if (sendBytes === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      this.#outbox.sendBody(this.#id, bytes.subarray(at, at + sendBytes))
      at += sendBytes
    }
  }

  end(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#owedBytes !== null && this.#owedBytes > 0) {
      throw new Error(`The body is ${this.#owedBytes} bytes shorter than its content-length.`)
    }
    this.#outbox.send([FRAME.end, this.#id])
  }

  #wakeWriter(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

function checkHead(headers: FlatHeaders): void {
  let bytes = 0
  for (const text of headers) bytes += text.length
  if (bytes > MAX_HEAD_BYTES) {
    throw new CallError(
      'function_failed',
      `The response head is larger than ${MAX_HEAD_BYTES} bytes.`,
    )
  }
}

/** Of what the NATS server takes in one message. */
function tooLarge(): CallError {
  return new CallError('function_failed', 'The response head is too large for the NATS server.')
}
