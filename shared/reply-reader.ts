// Reads REPLY frames by hand: most of what a gateway reads are small whole answers, with the same headers
// again and again. The general decoder of `codec.ts` reads every other frame, and whatever is not exactly
// as expected here.

import { copyBytes } from './copy-bytes.js'
import { type FlatHeaders, FRAME, type ReplyFrame } from './frame.js'

const REPLY_ELEMENTS = 0x95
const NO_BYTES = new Uint8Array(0)

export class ReplyReader {
  readonly #decodeHeaders: (bytes: Uint8Array) => FlatHeaders | null
  #headerBytes: Uint8Array = NO_BYTES
  #headers: FlatHeaders = []
  /** Where the frame that was read last ends. */
  end = 0

  /** @param decodeHeaders reads an array of texts; null for anything else */
  constructor(decodeHeaders: (bytes: Uint8Array) => FlatHeaders | null) {
    this.#decodeHeaders = decodeHeaders
  }

  /** The REPLY that begins at `start`, or null: then the general decoder must look. */
  read(message: Uint8Array, start: number): ReplyFrame | null {
    if (message[start] !== REPLY_ELEMENTS || message[start + 1] !== FRAME.reply) return null
    this.end = start + 2
    const id = this.#readCount(message)
    if (id === -1) return null
    const status = this.#readCount(message)
    if (status < 200 || status > 599) return null
    const headers = this.#readHeaders(message)
    if (headers === null) return null
    const bytes = this.#readBinLength(message)
    const bodyAt = this.end
    if (bytes === -1 || bodyAt + bytes > message.length) return null
    this.end = bodyAt + bytes
    return [FRAME.reply, id, status, headers, message.subarray(bodyAt, this.end)]
  }

  /** -1 for what is no small count; past the end, the bytes are undefined and so is nothing. */
  #readCount(message: Uint8Array): number {
    const at = this.end
    const byte = message[at]!
    if (byte < 0x80) {
      this.end = at + 1
      return byte
    }
    if (byte === 0xcc) return this.#take(message, 1)
    if (byte === 0xcd) return this.#take(message, 2)
    return byte === 0xce ? this.#take(message, 4) : -1
  }

  #readBinLength(message: Uint8Array): number {
    const byte = message[this.end]
    if (byte === 0xc4) return this.#take(message, 1)
    if (byte === 0xc5) return this.#take(message, 2)
    return byte === 0xc6 ? this.#take(message, 4) : -1
  }

  /** The number in so many bytes behind the one at hand. */
  #take(message: Uint8Array, bytes: number): number {
    const from = this.end + 1
    if (from + bytes > message.length) return -1
    let value = 0
    for (let at = from; at < from + bytes; at++) value = value * 256 + message[at]!
    this.end = from + bytes
    return value
  }

  #readHeaders(message: Uint8Array): FlatHeaders | null {
    const start = this.end
    const known = this.#headerBytes
    if (known.length > 0 && standsAt(known, message, start)) {
      this.end = start + known.length
      return this.#headers
    }
    const end = endOfTexts(message, start)
    if (end === -1) return null
    // Not `slice`: of a Buffer that is a view, and the message's array may be used again.
    const bytes = copyBytes(message.subarray(start, end))
    const headers = this.#decodeHeaders(bytes)
    if (headers === null) return null
    this.#headerBytes = bytes
    this.#headers = Object.freeze(headers)
    this.end = end
    return headers
  }
}

function standsAt(bytes: Uint8Array, message: Uint8Array, start: number): boolean {
  if (start + bytes.length > message.length) return false
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] !== message[start + index]) return false
  }
  return true
}

/** Where a short array of short texts ends; -1 for anything else. */
function endOfTexts(message: Uint8Array, start: number): number {
  const head = message[start]!
  if (head < 0x90 || head > 0x9f) return -1
  let at = start + 1
  for (let count = head & 0x0f; count > 0; count--) {
    const byte = message[at]!
    if (byte >= 0xa0 && byte <= 0xbf) at += 1 + (byte & 0x1f)
    else if (byte === 0xd9) at += 2 + message[at + 1]!
    else return -1
    if (!(at <= message.length)) return -1
  }
  return at
}
