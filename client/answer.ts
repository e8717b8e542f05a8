// The answer of one call as an async iterable of values. Bytes count as consumed when their values have
// been taken, so that a slow reader slows the function.

import type { AnswerHandler } from '../gateway/dispatch/answer-handler.js'
import type { Invocation } from '../gateway/dispatch/invocation.js'
import { CodecError, decodeValue } from '../shared/codec.js'
import { copyBytes } from '../shared/copy-bytes.js'
import { CallError } from '../shared/errors.js'
import { headerValue } from '../shared/flat-headers.js'
import type { FlatHeaders } from '../shared/frame.js'
import { ValueStream } from './value-stream.js'

interface Arrived {
  readonly value: unknown
  /** Bytes to be granted anew when the value is taken. */
  readonly bytes: number
}

export class Answer implements AnswerHandler, AsyncIterable<unknown> {
  #invocation: Invocation | null = null
  readonly #signal: AbortSignal | undefined
  readonly #arrived: Arrived[] = []
  readonly #onOver: (answer: Answer) => void
  readonly #onAbort = () => this.fail(abortError(this.#signal!))
  #contentType = ''
  #status = 200
  #stream: ValueStream | null = null
  /** A body that is no stream of values, until it is whole. */
  #whole: Uint8Array[] = []
  #hasEnded = false
  #failure: Error | null = null
  #wake: (() => void) | null = null

  /** @param onOver called when nothing more will arrive, perhaps more than once */
  constructor(signal: AbortSignal | undefined, onOver: (answer: Answer) => void) {
    this.#signal = signal
    this.#onOver = onOver
    if (signal?.aborted) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** True when nothing more will arrive. */
  get isOver(): boolean {
    return this.#hasEnded || this.#failure !== null
  }

  /** Whether the function streamed; known once the first value is there. */
  get isStream(): boolean {
    return this.#stream !== null
  }

  attach(invocation: Invocation): void {
    this.#invocation = invocation
    // It may have been refused at once, or its signal fired by somebody whom the start has called.
    if (this.isOver) invocation.cancel()
  }

  /** Gives the call up: its reader gets the error now, and none of the values that wait. */
  fail(error: Error): void {
    if (this.isOver) return
    this.#arrived.length = 0
    this.#fail(error)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
    try {
      for (;;) {
        const next = this.#arrived.shift()
        if (next !== undefined) {
          this.#invocation?.consumed(next.bytes)
          yield next.value
        } else if (this.#failure !== null) throw this.#failure
        else if (this.#hasEnded) return
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
      }
    } finally {
      this.#invocation?.cancel()
      // Of an answer that is complete, what nobody will read any more.
      for (const { bytes } of this.#arrived.splice(0)) this.#invocation?.consumed(bytes)
      this.#finish()
    }
  }

  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void {
    this.onHead(status, headers)
    this.onBody(body)
    this.onEnd()
  }

  onHead(status: number, headers: FlatHeaders): void {
    this.#status = status
    this.#contentType = headerValue(headers, 'content-type') ?? ''
    if (this.#contentType === 'application/msgpack; stream=true') this.#stream = new ValueStream()
  }

  onBody(bytes: Uint8Array): void {
    if (this.#stream === null) {
      this.#whole.push(copyBytes(bytes))
      this.#invocation?.consumed(bytes.length)
      return
    }
    // Values of bytes are views of what they were read from.
    const values = this.#try(() => this.#stream!.push(copyBytes(bytes))) ?? []
    // What was only the beginning of a value is read already: nobody else would ever count it.
    if (values.length === 0) this.#invocation?.consumed(bytes.length)
    values.forEach((value, index) => {
      this.#arrived.push({ value, bytes: index === values.length - 1 ? bytes.length : 0 })
    })
    this.#wakeReader()
  }

  onFlush(): void {}

  onEnd(): void {
    if (this.#stream !== null) this.#try(() => this.#stream!.end())
    else {
      const body = Buffer.concat(this.#whole)
      this.#whole = []
      if (this.#status >= 400) return this.#fail(statusError(this.#status, body))
      const value = this.#try(() => decode(body, this.#contentType))
      if (this.#failure !== null) return
      this.#arrived.push({ value, bytes: 0 })
    }
    this.#hasEnded = true
    this.#finish()
  }

  onError(error: CallError): void {
    this.#fail(error)
  }

  onDrain(): void {}

  #try<T>(decodeIt: () => T): T | undefined {
    try {
      return decodeIt()
    } catch (error) {
      const message = error instanceof CodecError ? error.message : String(error)
      this.#fail(
        new CallError('protocol_error', `The answer cannot be read: ${message}`, { cause: error }),
      )
      return undefined
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#invocation?.cancel()
    this.#finish()
  }

  #finish(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#onOver(this)
    this.#wakeReader()
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

function decode(body: Buffer, contentType: string): unknown {
  if (contentType === '') return body.length === 0 ? undefined : new Uint8Array(body)
  if (contentType.startsWith('application/msgpack')) return decodeValue(body)
  if (contentType.startsWith('application/json')) return JSON.parse(body.toString('utf8'))
  if (contentType.startsWith('text/')) return body.toString('utf8')
  return new Uint8Array(body)
}

function statusError(status: number, body: Buffer): CallError {
  return new CallError(
    'function_failed',
    `The function answered with status ${status}: ${body.toString('utf8', 0, 200)}`,
  )
}

function abortError(signal: AbortSignal): Error {
  return new CallError('cancelled', 'The call was cancelled by its signal.', {
    cause: signal.reason,
  })
}
