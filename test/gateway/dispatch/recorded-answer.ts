// An answer handler that writes down what it hears, and notices what it should never hear.

import type { AnswerHandler } from '../../../gateway/dispatch/answer-handler.js'
import type { Invocation } from '../../../gateway/dispatch/invocation.js'
import type { CallError } from '../../../shared/errors.js'
import type { FlatHeaders } from '../../../shared/frame.js'

export class RecordedAnswer implements AnswerHandler {
  /** Everything but onBody and onDrain, in order. */
  readonly events: string[] = []
  /** What was heard after the last event, which is a fault of the dispatcher. */
  readonly late: string[] = []
  readonly chunks: Buffer[] = []
  status = 0
  headers: FlatHeaders = []
  error: CallError | null = null
  drains = 0
  invocation: Invocation | null = null
  /** False: the client does not read. */
  isConsuming = true
  /** Called at the end of each event, for what a test wants to happen right within it. */
  onEvent: ((event: string) => void) | null = null
  /** Resolves with the name of the last event. */
  readonly over: Promise<string>
  #isOver = false
  #resolveOver!: (event: string) => void
  #waiters: { isTrue: () => boolean; resolve: () => void }[] = []

  constructor() {
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve
    })
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get unconsumedBytes(): number {
    return this.isConsuming ? 0 : this.body.length
  }

  /** Resolves when `isTrue`, looked at after every event. */
  when(isTrue: () => boolean): Promise<void> {
    if (isTrue()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiters.push({ isTrue, resolve })
    })
  }

  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void {
    this.status = status
    this.headers = headers
    this.chunks.push(Buffer.from(body))
    this.#heard('reply', true)
  }

  onHead(status: number, headers: FlatHeaders): void {
    this.status = status
    this.headers = headers
    this.#heard('head', false)
  }

  onBody(bytes: Uint8Array): void {
    this.chunks.push(Buffer.from(bytes))
    if (this.#isOver) this.late.push('body')
    if (this.isConsuming) this.invocation?.consumed(bytes.length)
    this.#wake()
  }

  onFlush(): void {}

  onEnd(): void {
    this.#heard('end', true)
  }

  onError(error: CallError): void {
    this.error = error
    this.#heard('error', true)
  }

  onDrain(): void {
    this.drains++
    if (this.#isOver) this.late.push('drain')
    this.onEvent?.('drain')
    this.#wake()
  }

  #heard(event: string, isLast: boolean): void {
    if (this.#isOver) this.late.push(event)
    this.events.push(event)
    if (isLast) {
      this.#isOver = true
      this.#resolveOver(event)
    }
    this.onEvent?.(event)
    this.#wake()
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = waiters.filter(({ isTrue }) => !isTrue())
    for (const { isTrue, resolve } of waiters) if (isTrue()) resolve()
  }
}
