// Flow control as arithmetic: no sockets, no frames, a clock that is given. Both ends of a body use it.
//
//   sender: Allowance          what it may still send
//   receiver: ReceiveWindow    what it has granted, taken from one CreditBudget per process
//
// A receiver's window starts small and doubles only while its consumer empties it faster than the sender
// answers a grant, so that a slow client holds the smallest window and a fast one is not throttled. When the budget is spent a window falls
// back to a small one that is never taken away: everyone makes progress.

import { performance } from 'node:perf_hooks'

/** Below this a clock tells nothing: timers and turns of the event loop are no finer. */
const LEAST_ROUND_TRIP_MS = 2

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
  readonly #nowMs: () => number
  #targetBytes: number
  /** Granted and not yet received. */
  #outstandingBytes: number
  /** Received and not yet consumed. */
  #unreadBytes = 0
  #state: 'open' | 'finished' | 'closed' = 'open'
  // How fast the sender answers a grant, against how fast the consumer empties what came.
  #grantedAtMs: number | null = null
  #roundTripMs = Number.POSITIVE_INFINITY
  #exhaustedAtMs = 0

  /**
   * @param initialBytes credit that the sender has from the start; already taken from the budget
   * @param limits `leastBytes` is granted even from a spent budget, `maxBytes` is the largest window
   */
  constructor(
    budget: CreditBudget,
    initialBytes: number,
    limits: { readonly leastBytes: number; readonly maxBytes: number },
    nowMs: () => number = () => performance.now(),
  ) {
    this.#nowMs = nowMs
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
    if (this.#grantedAtMs !== null) {
      this.#roundTripMs = this.#nowMs() - this.#grantedAtMs
      this.#grantedAtMs = null
    }
    if (this.#isNearlySpent) this.#exhaustedAtMs = this.#nowMs()
    return true
  }

  /**
   * Counts bytes that the consumer has finished with.
   * Returns the grant to send now, or 0 when it would be too small to be worth a frame.
   */
  consume(bytes: number): number {
    if (this.#state === 'closed') return 0
    this.#unreadBytes -= bytes
    this.#budget.give(bytes)
    if (this.#state === 'finished') return 0
    if (this.#unreadBytes === 0 && this.#isNearlySpent && this.#isConsumerFast) {
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
    this.#grantedAtMs = this.#nowMs()
    return grantBytes
  }

  /** The body has ended: nothing more is granted; what is unread stays on the budget until consumed. */
  finish(): void {
    if (this.#state !== 'open') return
    this.#state = 'finished'
    this.#budget.give(this.#outstandingBytes)
    this.#outstandingBytes = 0
  }

  get #isNearlySpent(): boolean {
    return this.#outstandingBytes <= this.#targetBytes / 2
  }

  /** The window, not the consumer, is the brake: it was emptied within the time that a grant takes. */
  get #isConsumerFast(): boolean {
    return this.#nowMs() - this.#exhaustedAtMs <= Math.max(this.#roundTripMs, LEAST_ROUND_TRIP_MS)
  }

  /** Gives everything back to the budget. Later calls do nothing. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
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
