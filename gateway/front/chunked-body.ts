// The body of an answer of unknown length, in chunks, as fast as its client takes them.
//
// What the engine has taken over and cannot send yet, it sends only when it is written to again; and it
// says of that no more than whether a write found nothing left. So once a write has not, what follows
// stays here, and is what it is asked with, byte by byte; of a large piece some bytes stay for just that.

import type { HttpResponse } from 'uWebSockets.js'
import { copyBytes } from '../../shared/copy-bytes.js'

/** Pieces up to here go as they are: that the engine may hold one is of no account. */
const SMALL_BYTES = 16 * 1024
/** Kept of a large piece to ask with: it has long been sent when the engine was asked so often. */
const HELD_BACK_BYTES = 64

export class ChunkedBody {
  readonly #res: HttpResponse
  #waiting: Uint8Array[] = []
  #unsentBytes = 0
  /** The engine held something when it was written to last. */
  #isHeldUp = false

  constructor(res: HttpResponse) {
    this.#res = res
  }

  /** Bytes that the client's socket has not taken, but for a small piece that the engine may hold. */
  get unsentBytes(): number {
    return this.#unsentBytes
  }

  /** Bytes wait here: there is no other way into the answer than behind them. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** A piece; may be reused on return. */
  write(bytes: Uint8Array): void {
    this.#unsentBytes += bytes.length
    if (this.#isHeldUp || this.isWaiting) this.#waiting.push(copyBytes(bytes))
    else this.#send(bytes)
    if (!this.#isHeldUp) this.#unsentBytes = 0
  }

  /** The client's socket has room. */
  onWritable(): void {
    this.flush()
    // The engine may still hold something, but not much, and nothing is here to ask with: the next write tells.
    if (!this.isWaiting) {
      this.#isHeldUp = false
      this.#unsentBytes = 0
    }
  }

  /** Sends what the socket takes. Sets the engine's clock anew, if it takes nothing. */
  flush(): void {
    if (this.#isHeldUp && !this.isWaiting) this.#res.cork(() => {})
    while (this.isWaiting) {
      const piece = this.#waiting.shift()!
      if (!this.#isHeldUp) this.#send(piece)
      else {
        if (piece.length > 1) this.#waiting.unshift(piece.subarray(1))
        this.#put(piece.subarray(0, 1))
        if (!this.#isHeldUp) this.#unsentBytes = lengthOf(this.#waiting)
      }
      if (this.#isHeldUp) return
    }
    if (!this.#isHeldUp) this.#unsentBytes = 0
  }

  clear(): void {
    this.#waiting = []
    this.#unsentBytes = 0
    this.#isHeldUp = false
  }

  #send(bytes: Uint8Array): void {
    if (bytes.length <= SMALL_BYTES) return this.#put(bytes)
    const end = bytes.subarray(-HELD_BACK_BYTES)
    this.#put(bytes.subarray(0, -HELD_BACK_BYTES))
    if (this.#isHeldUp) this.#waiting.unshift(copyBytes(end))
    else this.#put(end)
  }

  #put(bytes: Uint8Array): void {
    this.#res.cork(() => {
      this.#isHeldUp = !this.#res.write(bytes)
    })
  }
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((bytes, piece) => bytes + piece.length, 0)
}
