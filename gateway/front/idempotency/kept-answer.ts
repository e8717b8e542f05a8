// An answer in memory that several clients may have: on its way from the function, kept for its key, or being
// read by a client that is slow. Its memory counts as used until nobody holds it.

import type { FlatHeaders } from '../../../shared/frame.js'
import type { RequestFingerprint } from './request-fingerprint.js'

/** What an answer costs beside its bytes, about. */
const ENTRY_BYTES = 512

export class KeptAnswer {
  /** Whose answer it is. */
  readonly request: RequestFingerprint
  readonly status: number
  readonly headers: FlatHeaders
  readonly #bytes: Buffer
  readonly #onReleased: () => void
  #addedBytes = 0
  #holders = 1

  /**
   * Held by the one who makes it.
   * @param onReleased nobody holds it any more; once
   */
  constructor(
    request: RequestFingerprint,
    status: number,
    headers: FlatHeaders,
    bodyBytes: number,
    onReleased = () => {},
  ) {
    this.request = request
    this.status = status
    this.headers = headers
    // Its own memory: it may stay for long, and would keep all of Node's pool.
    this.#bytes = Buffer.allocUnsafeSlow(bodyBytes)
    this.#onReleased = onReleased
  }

  static costBytes(headers: FlatHeaders, bodyBytes: number): number {
    return ENTRY_BYTES + headers.join().length + bodyBytes
  }

  get costBytes(): number {
    return KeptAnswer.costBytes(this.headers, this.bodyBytes)
  }

  get bodyBytes(): number {
    return this.#bytes.length
  }

  /** As far as it has come. */
  get body(): Uint8Array {
    return this.#bytes.subarray(0, this.#addedBytes)
  }

  get isWhole(): boolean {
    return this.#addedBytes === this.#bytes.length
  }

  /** The next piece of the body; what is more than there should be is no part of it. */
  add(bytes: Uint8Array): void {
    const ours = bytes.subarray(0, this.#bytes.length - this.#addedBytes)
    this.#bytes.set(ours, this.#addedBytes)
    this.#addedBytes += ours.length
  }

  hold(): void {
    this.#holders++
  }

  release(): void {
    if (--this.#holders === 0) this.#onReleased()
  }
}
