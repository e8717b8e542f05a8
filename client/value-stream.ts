// Cuts the bytes of a stream of msgpack values back into values, however they were split on the way.

import { CodecError, decodeValue, VALUE_LIMITS } from '../shared/codec.js'
import { copyBytes } from '../shared/copy-bytes.js'
import { endOfValue } from '../shared/msgpack-bounds.js'

export class ValueStream {
  #rest: Uint8Array = new Uint8Array(0)

  /** The values that are complete with these bytes. Throws a CodecError. */
  push(bytes: Uint8Array): unknown[] {
    const buffer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const values: unknown[] = []
    let at = 0
    while (at < buffer.length) {
      const end = endOfValue(buffer, at, VALUE_LIMITS)
      if (typeof end === 'string') throw new CodecError(end)
      if (end === -1) break
      values.push(decodeValue(buffer.subarray(at, end)))
      at = end
    }
    this.#rest = copyBytes(buffer.subarray(at))
    return values
  }

  /** Throws a CodecError when a value has broken off. */
  end(): void {
    if (this.#rest.length > 0)
      throw new CodecError('The stream of values breaks off inside of one.')
  }
}
