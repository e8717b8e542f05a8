// Cuts the bytes of a stream of msgpack values back into values, however they were split on the way. What
// has come of a value that is not whole is kept in its pieces and joined once: to join it with every piece
// that comes would copy a large value as often as it has pieces.

import { CodecError, decodeValue, VALUE_LIMITS } from '../shared/codec.js'
import { ValueScan } from '../shared/msgpack-bounds.js'

const NOTHING = new Uint8Array(0)

export class ValueStream {
  /** Of the value that is not whole. */
  #pieces: Uint8Array[] = []
  #scan = new ValueScan(VALUE_LIMITS)
  /** Bytes behind the pieces that are of the value, whatever they are. */
  #skipBytes = 0
  /** The beginning of an item behind the pieces: a few bytes, to be looked at with what comes. */
  #tail: Uint8Array = NOTHING

  /** The values that are complete with these bytes, which are kept. Throws a CodecError. */
  push(bytes: Uint8Array): unknown[] {
    const buffer = this.#tail.length === 0 ? bytes : Buffer.concat([this.#tail, bytes])
    const values: unknown[] = []
    let start = 0
    let at = this.#skipBytes
    for (;;) {
      const end = this.#scan.next(buffer, at)
      if (typeof end === 'string') throw new CodecError(end)
      if (end === -1) break
      values.push(decodeValue(this.#whole(buffer.subarray(start, end))))
      this.#scan = new ValueScan(VALUE_LIMITS)
      start = at = end
    }
    const { resumeAt } = this.#scan
    this.#skipBytes = Math.max(0, resumeAt - buffer.length)
    this.#tail = buffer.subarray(resumeAt)
    if (start < Math.min(resumeAt, buffer.length))
      this.#pieces.push(buffer.subarray(start, resumeAt))
    return values
  }

  /** Throws a CodecError when a value has broken off. */
  end(): void {
    if (this.#pieces.length > 0 || this.#tail.length > 0)
      throw new CodecError('The stream of values breaks off inside of one.')
  }

  #whole(last: Uint8Array): Uint8Array {
    if (this.#pieces.length === 0) return last
    const pieces = this.#pieces
    this.#pieces = []
    pieces.push(last)
    return Buffer.concat(pieces)
  }
}
