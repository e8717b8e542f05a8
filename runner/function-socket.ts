// One WebSocket as its function sees it. The connection itself is the gateway's; here are the messages
// that came and wait to be read, the ones that wait for credit, and the two closes.
//
//   offered ──accept──▶ open ──CLOSE of the client──▶ leaving ──its END──▶ closed
//                         └── close ────────────────────────────────────────┘
//
// Nothing that was sent before a close is lost: the function reads what the client had said, and its own
// CLOSE waits behind the messages that wait for credit.

import { Allowance, type CreditBudget, MAX_WINDOW_BYTES, ReceiveWindow } from '../shared/credit.js'
import {
  FRAME,
  INITIAL_BODY_CREDIT_BYTES,
  MESSAGE_COST_BYTES,
  MESSAGE_LAST,
  MESSAGE_TEXT,
} from '../shared/frame.js'
import { MessageSender } from '../shared/message-sender.js'
import type { Outbox } from '../shared/outbox.js'
import type { CallSocket } from './define-function.js'
import { inOwnMemory } from './own-memory.js'

const LIMITS = { leastBytes: INITIAL_BODY_CREDIT_BYTES, maxBytes: MAX_WINDOW_BYTES }

interface Received {
  readonly data: string | Uint8Array
  /** Credit to be granted anew when the function has taken it. */
  readonly creditBytes: number
}

export interface FunctionSocketOptions {
  readonly outbox: Outbox
  readonly id: number
  readonly replyCreditBytes: number
  readonly budget: CreditBudget
  readonly maxMessageBytes: number
  /** What the client offers, without a token. */
  readonly protocols: readonly string[]
}

export class FunctionSocket implements CallSocket {
  readonly protocols: readonly string[]
  readonly #options: FunctionSocketOptions
  readonly #window: ReceiveWindow
  readonly #allowance: Allowance
  readonly #sender: MessageSender
  #state: 'offered' | 'open' | 'leaving' | 'closed' = 'offered'
  #closeCode: number | null = null
  #closeReason = ''
  #isCloseSent = false
  readonly #received: Received[] = []
  /** Of a message whose last piece has not come. */
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  #failure: Error | null = null
  #wakeReader: (() => void) | null = null
  /** Sends that wait for credit; told why, where their messages will not leave. */
  readonly #waitingSends: ((error: Error | null) => void)[] = []

  constructor(options: FunctionSocketOptions) {
    const { budget, outbox, id, replyCreditBytes } = options
    this.#options = options
    this.protocols = options.protocols
    budget.reserve(INITIAL_BODY_CREDIT_BYTES, INITIAL_BODY_CREDIT_BYTES)
    this.#window = new ReceiveWindow(budget, INITIAL_BODY_CREDIT_BYTES, LIMITS)
    this.#allowance = new Allowance(replyCreditBytes)
    this.#sender = new MessageSender(outbox, id, this.#allowance)
  }

  get isAccepted(): boolean {
    return this.#state !== 'offered'
  }

  get closeCode(): number | null {
    return this.#closeCode
  }

  get closeReason(): string {
    return this.#closeReason
  }

  // ---- for the function -----------------------------------------------------------------------------

  accept(protocol?: string): void {
    if (this.#state !== 'offered') return
    if (protocol !== undefined && !this.protocols.includes(protocol)) {
      throw new TypeError(
        `The client did not offer the subprotocol ${JSON.stringify(protocol)}; it offers ${this.protocols.join(', ') || 'none'}.`,
      )
    }
    this.#state = 'open'
    // Clients that offer subprotocols take an answer without one for a failure: the first is the default.
    const chosen = protocol ?? this.protocols[0] ?? null
    this.#options.outbox.send([FRAME.accept, this.#options.id, chosen])
  }

  send(data: string | Uint8Array): Promise<void> {
    this.accept()
    let bytes: Uint8Array
    try {
      bytes = messageBytes(data, this.#options.maxMessageBytes)
    } catch (error) {
      return Promise.reject(error)
    }
    const sending = this.#send(bytes, typeof data === 'string')
    // The client can leave at any moment: that is no fault of a function that does not wait for its sends.
    sending.catch(() => {})
    return sending
  }

  close(code = 1000, reason = ''): void {
    checkClose(code, reason)
    this.accept()
    if (this.#state !== 'open') return
    this.#state = 'closed'
    this.#closeCode = code
    this.#closeReason = reason
    if (this.#sender.waitingBytes === 0) this.#sendClose()
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string | Uint8Array> {
    this.accept()
    for (;;) {
      const next = this.#received.shift()
      if (next !== undefined) {
        this.#consume(next.creditBytes)
        yield next.data
      } else if (this.#failure !== null) throw this.#failure
      else if (this.#state === 'closed') return
      else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve
        })
      }
    }
  }

  // ---- for the call -----------------------------------------------------------------------------------

  /** False for what the protocol does not allow. */
  onMessage(flags: number, bytes: Uint8Array): boolean {
    if (this.#state === 'offered') return false
    const creditBytes = bytes.length + MESSAGE_COST_BYTES
    if (!this.#window.receive(creditBytes)) return false
    this.#pieceBytes += bytes.length
    if (this.#pieceBytes > this.#options.maxMessageBytes) return false
    const isText = (flags & MESSAGE_TEXT) !== 0
    if ((flags & MESSAGE_LAST) === 0) {
      // The message may be larger than any window: its beginning cannot wait to be read.
      this.#pieces.push(bytes)
      this.#consume(creditBytes)
      return true
    }
    if (this.#state === 'closed') {
      this.#pieces = []
      this.#pieceBytes = 0
      this.#consume(creditBytes)
      return true
    }
    const whole = this.#pieces.length === 0 ? bytes : Buffer.concat([...this.#pieces, bytes])
    this.#pieces = []
    this.#pieceBytes = 0
    this.#received.push({ data: isText ? textOf(whole) : inOwnMemory(whole), creditBytes })
    this.#wake()
    return true
  }

  /** The client has closed, or was cut: what it had said before may still follow, up to its END. */
  onClose(code: number, reason: string): void {
    this.#closeCode ??= code
    this.#closeReason ||= reason
    this.#state = this.#state === 'closed' ? 'closed' : 'leaving'
    this.#sender.drop()
    this.#endSends(closedError())
  }

  /** The client has no more to say. */
  onEnd(): void {
    this.#state = 'closed'
    this.#wake()
  }

  onCredit(bytes: number): void {
    this.#allowance.grant(bytes)
    if (!this.#sender.resume()) return
    this.#endSends(null)
    if (this.#state === 'closed') this.#sendClose()
  }

  /** The call was given up: reading and sending fail. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#sender.drop()
    this.#wake()
    this.#endSends(error)
  }

  /** The function has returned: closes what it left open, and ends the invocation. */
  async finish(): Promise<void> {
    this.close(1000)
    if (this.#sender.waitingBytes > 0) await this.#sent()
    this.#options.outbox.send([FRAME.end, this.#options.id])
  }

  /** Whatever came of the call: nothing is held any more. */
  dispose(): void {
    this.#window.close()
    this.#received.length = 0
    this.#pieces = []
  }

  async #send(bytes: Uint8Array, isText: boolean): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (this.#state !== 'open') throw closedError()
    if (!this.#sender.send(bytes, isText)) await this.#sent()
  }

  #consume(bytes: number): void {
    const grantBytes = this.#window.consume(bytes)
    if (grantBytes > 0) {
      this.#options.outbox.send([FRAME.credit, this.#options.id, grantBytes])
    }
  }

  #wake(): void {
    const wake = this.#wakeReader
    this.#wakeReader = null
    wake?.()
  }

  /** Resolves when everything that waits for credit has been sent. */
  #sent(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waitingSends.push((error) => (error === null ? resolve() : reject(error)))
    })
  }

  #endSends(error: Error | null): void {
    for (const end of this.#waitingSends.splice(0)) end(error)
  }

  /** Once: whatever waits has been sent before it. */
  #sendClose(): void {
    if (this.#isCloseSent) return
    this.#isCloseSent = true
    this.#options.outbox.send([FRAME.close, this.#options.id, this.#closeCode!, this.#closeReason])
  }
}

function closedError(): Error {
  return new Error('The WebSocket is closed.')
}

function messageBytes(data: unknown, maxBytes: number): Uint8Array {
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
    throw new TypeError('A message is a string or a Uint8Array.')
  }
  const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data
  if (bytes.length <= maxBytes) return bytes
  throw new RangeError(
    `The message has ${bytes.length} bytes; this function's maxMessageBytes is ${maxBytes}.`,
  )
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** What RFC 6455 lets an application send. */
function checkClose(code: number, reason: string): void {
  const isAllowed =
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
    (code >= 3000 && code <= 4999)
  if (!Number.isInteger(code) || !isAllowed)
    throw new RangeError(`${code} is no close code that may be sent.`)
  if (typeof reason !== 'string') throw new TypeError('A close reason is a string.')
  if (Buffer.byteLength(reason) > 123) throw new RangeError('A close reason has 123 bytes at most.')
}
