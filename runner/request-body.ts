// The request's body as it arrives, and its two ways out: as one piece for `run`, as a stream for
// `fetch`. Credit is granted as the function reads, so a function that reads slowly slows its client.

import { BodyPieces } from '../shared/body-pieces.js'
import { type CreditBudget, MAX_WINDOW_BYTES, ReceiveWindow } from '../shared/credit.js'
import { INITIAL_BODY_CREDIT_BYTES } from '../shared/frame.js'
import { inOwnMemory } from './own-memory.js'
import { RunnerError } from './runner-error.js'

const NOTHING = new Uint8Array(0)
const LIMITS = { leastBytes: INITIAL_BODY_CREDIT_BYTES, maxBytes: MAX_WINDOW_BYTES }

export interface RequestBodyOptions {
  readonly budget: CreditBudget
  /** Sends a CREDIT frame. */
  readonly grant: (bytes: number) => void
  /** Largest body in bytes, or null. */
  readonly maxBytes: number | null
}

export class RequestBody {
  readonly #options: RequestBodyOptions
  /** None where all of it has come with the CALL. */
  readonly #window: ReceiveWindow | null
  readonly #chunks = new BodyPieces()
  /** False where its beginning exceeds the credit that there is for it: a protocol error. */
  readonly isAllowed: boolean
  #totalBytes = 0
  #hasEnded = false
  #failure: Error | null = null
  /** Wakes the reader; there is one at most. */
  #wake: (() => void) | null = null

  constructor(options: RequestBodyOptions, first: Uint8Array | null, hasMore: boolean) {
    this.#options = options
    this.#window = hasMore ? openWindow(options.budget) : null
    this.isAllowed = first === null || this.receive(first)
    this.#hasEnded = !hasMore
  }

  /** Largest body in bytes, or null. */
  get maxBytes(): number | null {
    return this.#options.maxBytes
  }

  /** False when the bytes exceed the credit or come after the end: a protocol error. */
  receive(bytes: Uint8Array): boolean {
    if (this.#failure !== null) return true
    if (this.#hasEnded || !this.#hasCredit(bytes.length)) return false
    this.#totalBytes += bytes.length
    const { maxBytes } = this.#options
    if (maxBytes !== null && this.#totalBytes > maxBytes) {
      this.fail(new RunnerError('payload_too_large', `The body is larger than ${maxBytes} bytes.`))
      return true
    }
    if (bytes.length === 0) return true
    this.#chunks.push(bytes)
    this.#wakeReader()
    return true
  }

  /** False when it has ended before. */
  end(): boolean {
    if (this.#hasEnded) return false
    this.#hasEnded = true
    this.#wakeReader()
    return true
  }

  /** The rest will not come, or nobody wants it: pending and later reads fail. */
  fail(error: Error): void {
    if (this.#failure !== null) return
    this.#failure = error
    this.#chunks.clear()
    this.#window?.close()
    this.#wakeReader()
  }

  /** The next piece, or null at the end. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        const grantBytes = this.#window?.consume(chunk.length) ?? 0
        if (grantBytes > 0 && !this.#hasEnded) this.#options.grant(grantBytes)
        return chunk
      }
      if (this.#hasEnded) return null
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Everything, as one piece, where nothing is missing any more; else null. It can be had once. */
  takeWhole(): Uint8Array | null {
    if (this.#failure !== null) throw this.#failure
    if (!this.#hasEnded) return null
    this.#window?.consume(this.#chunks.bytes)
    return this.#chunks.take() ?? NOTHING
  }

  /** Everything, as one piece. */
  async readAll(): Promise<Uint8Array> {
    const chunks = new BodyPieces()
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read())
      chunks.push(chunk)
    return chunks.take() ?? NOTHING
  }

  /** A stream that reads from NATS only as its own reader reads. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.read()
          if (chunk === null) controller.close()
          else controller.enqueue(inOwnMemory(chunk))
        },
        cancel: () => this.fail(new Error('The request body was cancelled.')),
      },
      { highWaterMark: 0 },
    )
  }

  #hasCredit(bytes: number): boolean {
    return this.#window === null ? bytes <= INITIAL_BODY_CREDIT_BYTES : this.#window.receive(bytes)
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

function openWindow(budget: CreditBudget): ReceiveWindow {
  const initialBytes = budget.reserve(INITIAL_BODY_CREDIT_BYTES, INITIAL_BODY_CREDIT_BYTES)
  return new ReceiveWindow(budget, initialBytes, LIMITS)
}
