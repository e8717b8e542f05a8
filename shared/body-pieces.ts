// A body in the pieces in which it came, first in, first out. However short, a piece takes some two hundred
// bytes to keep, and a client may send its body byte by byte: of many that wait, small ones are joined.

/** Fewer pieces than this are left as they are: so most bodies come, and so they are read. */
const FEW_PIECES = 8
const SMALL_BYTES = 1024
const JOINED_BYTES = 16 * 1024

export class BodyPieces {
  #pieces: Uint8Array[] = []
  /** The array that the last piece is the beginning of; null where it is not one of ours. */
  #open: Buffer | null = null
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps the array itself, or copies what is in it: it must not change any more. */
  push(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    const isJoined = bytes.length < SMALL_BYTES && this.#pieces.length >= FEW_PIECES
    if (!isJoined) {
      this.#open = null
      this.#pieces.push(bytes)
      return
    }
    let filled = this.#open === null ? JOINED_BYTES : this.#pieces.at(-1)!.length
    if (filled + bytes.length > JOINED_BYTES) {
      this.#open = Buffer.allocUnsafeSlow(JOINED_BYTES)
      filled = 0
    } else this.#pieces.pop()
    this.#open!.set(bytes, filled)
    this.#pieces.push(this.#open!.subarray(0, filled + bytes.length))
  }

  shift(): Uint8Array | undefined {
    const piece = this.#pieces.shift()
    if (piece === undefined) return undefined
    this.#bytes -= piece.length
    if (this.#pieces.length === 0) this.#open = null
    return piece
  }

  /** All that is there, as one; null for nothing. It is here no more. */
  take(): Uint8Array | null {
    const pieces = this.#pieces
    const all = pieces.length <= 1 ? (pieces[0] ?? null) : Buffer.concat(pieces, this.#bytes)
    this.clear()
    return all
  }

  clear(): void {
    // To set its length, of each small body twice, was a hundredth of the gateway's time.
    if (this.#pieces.length > 0) this.#pieces = []
    this.#open = null
    this.#bytes = 0
  }
}
