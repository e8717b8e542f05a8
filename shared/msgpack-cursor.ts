// Reads msgpack by hand, for the frames that every call has. It knows their usual forms only: for any other
// one each method says that it does not, and the general decoder of `codec.ts` must look.

/** Longer texts are rarely the same twice. */
const MAX_KNOWN_CHARS = 48
/** Methods, names of headers and most of their values come again and again. A power of two. */
const KNOWN_TEXTS = 1024
const UNKNOWN = -1

export class MsgpackCursor {
  readonly #known: string[] = new Array(KNOWN_TEXTS).fill('')
  #message: Buffer = Buffer.alloc(0)
  /** Where the next value begins. */
  at = 0

  begin(message: Buffer, at: number): void {
    this.#message = message
    this.at = at
  }

  /** Passes over the byte at hand if it is this one. */
  skip(byte: number): boolean {
    if (this.#message[this.at] !== byte) return false
    this.at++
    return true
  }

  /** A whole number that is not below zero; -1 for anything else. */
  count(): number {
    const at = this.at
    const byte = this.#message[at]!
    if (byte < 0x80) {
      this.at = at + 1
      return byte
    }
    if (byte === 0xcc) return this.#number(1)
    if (byte === 0xcd) return this.#number(2)
    return byte === 0xce ? this.#number(4) : UNKNOWN
  }

  /** How many elements an array has; -1 for anything else. */
  arrayLength(): number {
    return this.#length(0x90, 0xdc)
  }

  /** How many names a map has; -1 for anything else. */
  mapLength(): number {
    return this.#length(0x80, 0xde)
  }

  /**
   * A text of ASCII characters; null for anything else.
   * @param isNew it will hardly come again
   */
  text(isNew = false): string | null {
    const byte = this.#message[this.at]!
    let length = UNKNOWN
    if (byte >= 0xa0 && byte <= 0xbf) {
      length = byte & 0x1f
      this.at++
    } else if (byte === 0xd9) length = this.#number(1)
    else if (byte === 0xda) length = this.#number(2)
    const start = this.at
    const end = start + length
    if (length === UNKNOWN || end > this.#message.length) return null
    this.at = end
    return isNew || length > MAX_KNOWN_CHARS
      ? this.#newText(start, end)
      : this.#knownText(start, end)
  }

  /** A view of bytes; null for anything else. */
  bytes(): Uint8Array | null {
    const byte = this.#message[this.at]
    let length = UNKNOWN
    if (byte === 0xc4) length = this.#number(1)
    else if (byte === 0xc5) length = this.#number(2)
    else if (byte === 0xc6) length = this.#number(4)
    const end = this.at + length
    if (length === UNKNOWN || end > this.#message.length) return null
    const bytes = this.#message.subarray(this.at, end)
    this.at = end
    return bytes
  }

  /** Passes over these bytes if they stand here. */
  skipSame(bytes: Uint8Array): boolean {
    const message = this.#message
    const start = this.at
    if (start + bytes.length > message.length) return false
    for (let index = 0; index < bytes.length; index++) {
      if (bytes[index] !== message[start + index]) return false
    }
    this.at = start + bytes.length
    return true
  }

  #length(short: number, long: number): number {
    const byte = this.#message[this.at]!
    if (byte >= short && byte < short + 16) {
      this.at++
      return byte - short
    }
    return byte === long ? this.#number(2) : UNKNOWN
  }

  /** The number in so many bytes behind the one at hand. */
  #number(bytes: number): number {
    const message = this.#message
    const from = this.at + 1
    if (from + bytes > message.length) return UNKNOWN
    let value = 0
    for (let at = from; at < from + bytes; at++) value = value * 256 + message[at]!
    this.at = from + bytes
    return value
  }

  #knownText(start: number, end: number): string | null {
    const message = this.#message
    let hash = end - start
    for (let at = start; at < end; at++) {
      const byte = message[at]!
      if (byte >= 0x80) return null
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    const place = (hash ^ (hash >>> 15)) & (KNOWN_TEXTS - 1)
    const known = this.#known[place]!
    if (known.length === end - start && isSame(known, message, start)) return known
    const text = message.toString('latin1', start, end)
    this.#known[place] = text
    return text
  }

  #newText(start: number, end: number): string | null {
    const message = this.#message
    for (let at = start; at < end; at++) if (message[at]! >= 0x80) return null
    return message.toString('latin1', start, end)
  }
}

function isSame(text: string, message: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== message[start + index]) return false
  }
  return true
}
