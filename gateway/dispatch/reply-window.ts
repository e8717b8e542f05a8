// What comes back of one invocation, counted: the credit that its runner has with the CALL, the window that it
// becomes once the answer streams, and the length that the answer's head has promised.

import { type CreditBudget, ReceiveWindow } from '../../shared/credit.js'
import { headerValue } from '../../shared/flat-headers.js'
import type { FlatHeaders } from '../../shared/frame.js'

/** Response bytes without a grant: most answers fit, and a thousand streams hold half of the default budget. */
const INITIAL_BYTES = 16 * 1024
/** What an invocation is granted even when the budget is spent, so that it goes on. */
const LEAST_BYTES = 4 * 1024
/** With twice as much downloads are no faster, and a caller with eight of them holds 15 MiB more. */
const MAX_WINDOW_BYTES = 4 * 1024 * 1024
const LIMITS = { leastBytes: LEAST_BYTES, maxBytes: MAX_WINDOW_BYTES }

export class ReplyWindow {
  readonly #budget: CreditBudget
  /** Of the CALL, and on the budget; 0 where there is none, or a window has it. */
  #initialBytes = 0
  #window: ReceiveWindow | null = null
  #isFinished = false
  /** Of the body; endless where its length is not known. */
  #missingBytes = Number.POSITIVE_INFINITY

  constructor(budget: CreditBudget) {
    this.#budget = budget
  }

  /** For another CALL. Returns the bytes of credit that go with it. */
  open(): number {
    this.#initialBytes = this.#budget.reserve(INITIAL_BYTES, LEAST_BYTES)
    return this.#initialBytes
  }

  /** Whether a whole answer of so many bytes was allowed for. */
  fits(bytes: number): boolean {
    return bytes <= this.#initialBytes
  }

  /** The answer streams from now on; a WebSocket's has no headers. */
  begin(headers: FlatHeaders): void {
    this.#missingBytes = Number(headerValue(headers, 'content-length') ?? Number.POSITIVE_INFINITY)
    this.#window = new ReceiveWindow(this.#budget, this.#initialBytes, LIMITS)
    this.#initialBytes = 0
  }

  /** Counts bytes that came; false when there was no credit for them, or no answer has begun. */
  receive(bytes: number): boolean {
    return !this.#isFinished && this.#window !== null && this.#window.receive(bytes)
  }

  /** Likewise, of the body: more than was promised would be read as the next answer on the client's connection. */
  receiveBody(bytes: number): boolean {
    this.#missingBytes -= bytes
    return this.receive(bytes) && this.#missingBytes >= 0
  }

  /** Bytes have left for the client. Returns the grant to send, or 0. */
  consume(bytes: number): number {
    return this.#window?.consume(bytes) ?? 0
  }

  /** The answer is complete: what the client has not read yet stays on the budget until it has. */
  finish(): void {
    this.#window?.finish()
    this.#isFinished = true
  }

  /** The runner has nothing more to do with it: all but a complete answer is given back. */
  release(): void {
    if (!this.#isFinished) this.close()
  }

  /** Gives everything back. */
  close(): void {
    if (this.#initialBytes > 0) this.#budget.give(this.#initialBytes)
    this.#initialBytes = 0
    this.#window?.close()
    this.#window = null
  }
}
