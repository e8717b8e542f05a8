// Flow control as arithmetic: no sockets, no frames, no clock. Both ends of a body use it.
//
//   sender: Allowance          what it may still send
//   receiver: ReceiveWindow    what it has granted, taken from one CreditBudget per process
//
// A receiver's window starts small and doubles only while its consumer keeps up, so that a slow client
// holds the smallest window and a fast one is not throttled. When the budget is spent a window falls
// back to a small one that is never taken away: everyone makes progress.

/** Bytes that one process lends to all of its receive windows together. */
export class CreditBudget {
  readonly totalBytes: number
  #freeBytes: number

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes
    this.#freeBytes = totalBytes
  }

  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Takes up to `wantBytes`, and `leastBytes` even when they are not there. */
  reserve(wantBytes: number, leastBytes: number): number {
    const gotBytes = Math.max(Math.min(wantBytes, this.#freeBytes), leastBytes)
    this.#freeBytes -= gotBytes
    return gotBytes
  }

  give(bytes: number): void {
    this.#freeBytes += bytes
  }
}

/** The receiver's side of one body. Holds `outstanding + unread` bytes of the budget until closed. */
export class ReceiveWindow {
  readonly #budget: CreditBudget
  readonly #maxBytes: number
  readonly #leastBytes: number
  #targetBytes: number
  /** Granted and not yet received. */
  #outstandingBytes: number
  /** Received and not yet consumed. */
  #unreadBytes = 0
  #isClosed = false

  /**
   * @param initialBytes credit that the sender has from the start; already taken from the budget
   * @param limits `leastBytes` is granted even from a spent budget, `maxBytes` is the largest window
   */
  constructor(
    budget: CreditBudget,
    initialBytes: number,
    limits: { readonly leastBytes: number; readonly maxBytes: number },
  ) {
    this.#budget = budget
    this.#leastBytes = limits.leastBytes
    this.#maxBytes = limits.maxBytes
    this.#targetBytes = initialBytes
    this.#outstandingBytes = initialBytes
  }

  get unreadBytes(): number {
    return this.#unreadBytes
  }

  /** Counts bytes that arrived. False when they exceed what was granted: a protocol error. */
  receive(bytes: number): boolean {
    if (bytes > this.#outstandingBytes) return false
    this.#outstandingBytes -= bytes
    this.#unreadBytes += bytes
    return true
  }

  /**
   * Counts bytes that the consumer has finished with.
   * Returns the grant to send now, or 0 when it would be too small to be worth a frame.
   */
  consume(bytes: number): number {
    if (this.#isClosed) return 0
    this.#unreadBytes -= bytes
    this.#budget.give(bytes)
    // Everything was read and the sender has little left: the window, not the consumer, is the brake.
    if (this.#unreadBytes === 0 && this.#outstandingBytes <= this.#targetBytes / 2) {
      this.#targetBytes = Math.min(this.#targetBytes * 2, this.#maxBytes)
    }
    const heldBytes = this.#outstandingBytes + this.#unreadBytes
    const wantBytes = this.#targetBytes - heldBytes
    if (wantBytes < this.#targetBytes / 4) return 0
    const grantBytes = this.#budget.reserve(wantBytes, Math.max(0, this.#leastBytes - heldBytes))
    // A spent budget shrinks the window; it may grow again from here.
    if (grantBytes < wantBytes)
      this.#targetBytes = Math.max(this.#leastBytes, heldBytes + grantBytes)
    this.#outstandingBytes += grantBytes
    return grantBytes
  }

  /** Gives everything back to the budget. Later calls do nothing. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#budget.give(this.#outstandingBytes + this.#unreadBytes)
    this.#outstandingBytes = 0
    this.#unreadBytes = 0
  }
}

/** The sender's side of one body: bytes that may still be sent. */
export class Allowance {
  #bytes: number

  constructor(initialBytes: number) {
    this.#bytes = initialBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  grant(bytes: number): void {
    this.#bytes += bytes
  }

  /** Takes up to `wantBytes`; returns how many may be sent now. */
  take(wantBytes: number): number {
    const bytes = Math.min(wantBytes, this.#bytes)
    this.#bytes -= bytes
    return bytes
  }
}
