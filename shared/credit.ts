// Flow control as arithmetic: no sockets, no frames, a clock that is given. Both ends of a body use it.
//
//   sender: Allowance          what it may still send
//   receiver: ReceiveWindow    what it has granted, taken from one CreditBudget per process
//
// A receiver's window starts small and doubles only while its consumer empties it quickly and has nothing
// left to do, so that a slow client holds the smallest window and a fast one is not throttled. No window is
// larger than a share of what is left of the budget: a few that were fast and are stuck leave most of it to
// the others. Nor do several that are fast have much more under way together than one would. When the budget
// is spent a window falls back to a small one that is never taken away: everyone makes progress.

import { performance } from 'node:perf_hooks'

/**
 * A window that is emptied within this time, or within two round trips, is too small. On a wire without delay
 * it is the processes on the way that take the time, each of which works in one go on what has come.
 */
const QUICK_MS = 32
/**
 * The largest window. One body on two cores, up and down: 0.18 and 0.24 GiB/s with 1 MiB, 0.25 and 0.28 with 4,
 * 0.29 and 0.31 with 8, 0.30 and 0.28 with 16.
 */
export const MAX_WINDOW_BYTES = 8 * 1024 * 1024
/** One that takes so many times longer is larger than need be. */
const SLOW_FACTOR = 8
/** No window is larger than this share of what the budget has left. */
const LARGEST_SHARE = 0.5
/**
 * What bodies may have under way together beyond what they began with, about: more has left the CPU's caches
 * before anybody reads it. Of eight at once, which had 25 MiB, medians of four pairs: the reading process took
 * 0.82 of the CPU (up) and 0.74 (down).
 */
const TOGETHER_BYTES = 10 * 1024 * 1024
/** A window takes so much of what the others leave of that, at most: so they become equal. */
const TOGETHER_SHARE = 0.8
/** Where others have all of it, and may be stuck, a window may still be as large as this. */
const CROWDED_WINDOW_BYTES = 1024 * 1024

/** Bytes that one process lends to all of its receive windows together. */
export class CreditBudget {
  readonly totalBytes: number
  /** What all windows hold beyond what they began with. */
  grownBytes = 0
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
  readonly #initialBytes: number
  #targetBytes: number
  /** Granted and not yet received. */
  #outstandingBytes: number
  /** Received and not yet consumed. */
  #unreadBytes = 0
  /** Of what it holds, what the budget knows to be beyond its beginning. */
  #grownBytes = 0
  #state: 'open' | 'finished' | 'closed' = 'open'
  // How long the consumer takes to empty a window, and whether it waits for more.
  #lapStartMs: number
  #lapBytes = 0
  #wasEmptied = false
  // The shortest time from a grant to the first byte that it has let through.
  #grantedMs = 0
  #beforeGrantBytes: number | null = null
  #roundTripMs: number | null = null

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
    this.#initialBytes = initialBytes
    this.#targetBytes = initialBytes
    this.#outstandingBytes = initialBytes
    this.#lapStartMs = nowMs()
  }

  get unreadBytes(): number {
    return this.#unreadBytes
  }

  /** Counts bytes that arrived. False when they exceed what was granted: a protocol error. */
  receive(bytes: number): boolean {
    if (bytes > this.#outstandingBytes) return false
    this.#outstandingBytes -= bytes
    this.#unreadBytes += bytes
    this.#measureRoundTrip(bytes)
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
    this.#tellGrown()
    if (this.#state === 'finished') return 0
    this.#measureLap(bytes)
    const heldBytes = this.#outstandingBytes + this.#unreadBytes
    const shareBytes = this.#shareBytes()
    const windowBytes = Math.min(this.#targetBytes, Math.max(this.#leastBytes, shareBytes))
    const wantBytes = windowBytes - heldBytes
    if (wantBytes < windowBytes / 4) return 0
    const grantBytes = this.#budget.reserve(wantBytes, Math.max(0, this.#leastBytes - heldBytes))
    if (this.#beforeGrantBytes === null) {
      this.#beforeGrantBytes = this.#outstandingBytes
      this.#grantedMs = this.#nowMs()
    }
    this.#outstandingBytes += grantBytes
    this.#tellGrown()
    return grantBytes
  }

  /** The body has ended: nothing more is granted; what is unread stays on the budget until consumed. */
  finish(): void {
    if (this.#state !== 'open') return
    this.#state = 'finished'
    this.#budget.give(this.#outstandingBytes)
    this.#outstandingBytes = 0
    this.#tellGrown()
  }

  #shareBytes(): number {
    const { freeBytes, grownBytes } = this.#budget
    const othersBytes = grownBytes - this.#grownBytes
    const togetherBytes = (TOGETHER_BYTES - othersBytes) * TOGETHER_SHARE
    const mostBytes = Math.max(togetherBytes, CROWDED_WINDOW_BYTES)
    return Math.floor(Math.min(freeBytes * LARGEST_SHARE, mostBytes))
  }

  #tellGrown(): void {
    const heldBytes = this.#outstandingBytes + this.#unreadBytes
    const grownBytes = Math.max(0, heldBytes - this.#initialBytes)
    this.#budget.grownBytes += grownBytes - this.#grownBytes
    this.#grownBytes = grownBytes
  }

  #measureRoundTrip(bytes: number): void {
    if (this.#beforeGrantBytes === null) return
    this.#beforeGrantBytes -= bytes
    if (this.#beforeGrantBytes >= 0) return
    this.#beforeGrantBytes = null
    const tripMs = this.#nowMs() - this.#grantedMs
    if (this.#roundTripMs === null || tripMs < this.#roundTripMs) this.#roundTripMs = tripMs
  }

  /** A lap is the time in which the consumer takes a window's bytes. */
  #measureLap(bytes: number): void {
    this.#lapBytes += bytes
    if (this.#unreadBytes === 0) this.#wasEmptied = true
    const nowMs = this.#nowMs()
    const lapMs = nowMs - this.#lapStartMs
    const quickMs = Math.max(QUICK_MS, 2 * (this.#roundTripMs ?? 0))
    if (lapMs > quickMs * SLOW_FACTOR) {
      this.#targetBytes = Math.max(this.#targetBytes / 2, this.#initialBytes)
    } else if (this.#lapBytes < this.#targetBytes) return
    else if (this.#wasEmptied && lapMs <= quickMs) {
      this.#targetBytes = Math.min(this.#targetBytes * 2, this.#maxBytes)
    }
    this.#lapStartMs = nowMs
    this.#lapBytes = 0
    this.#wasEmptied = false
  }

  /** Gives everything back to the budget. Later calls do nothing. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#budget.give(this.#outstandingBytes + this.#unreadBytes)
    this.#outstandingBytes = 0
    this.#unreadBytes = 0
    this.#tellGrown()
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
