// Reads REPLY frames by hand: most of what a gateway reads are small whole answers, with the same headers
// again and again. The general decoder of `codec.ts` reads every other frame, and whatever is not exactly
// as expected here.

import { copyBytes } from './copy-bytes.js'
import { type FlatHeaders, FRAME, type ReplyFrame } from './frame.js'
import { MsgpackCursor } from './msgpack-cursor.js'

const REPLY_ELEMENTS = 0x95
const NO_BYTES = new Uint8Array(0)

export class ReplyReader {
  readonly #decodeHeaders: (bytes: Uint8Array) => FlatHeaders | null
  readonly #cursor = new MsgpackCursor()
  #headerBytes: Uint8Array = NO_BYTES
  #headers: FlatHeaders = []

  /** @param decodeHeaders reads an array of texts; null for anything else */
  constructor(decodeHeaders: (bytes: Uint8Array) => FlatHeaders | null) {
    this.#decodeHeaders = decodeHeaders
  }

  /** Where the frame that was read last ends. */
  get end(): number {
    return this.#cursor.at
  }

  /** The REPLY that begins at `start`, or null: then the general decoder must look. */
  read(message: Buffer, start: number): ReplyFrame | null {
    if (message[start] !== REPLY_ELEMENTS || message[start + 1] !== FRAME.reply) return null
    const cursor = this.#cursor
    cursor.begin(message, start + 2)
    const id = cursor.count()
    if (id === -1) return null
    const status = cursor.count()
    if (status < 200 || status > 599) return null
    const headers = this.#readHeaders(message)
    if (headers === null) return null
    const body = cursor.bytes()
    return body === null ? null : [FRAME.reply, id, status, headers, body]
  }

  #readHeaders(message: Buffer): FlatHeaders | null {
    const cursor = this.#cursor
    if (this.#headerBytes.length > 0 && cursor.skipSame(this.#headerBytes)) return this.#headers
    const start = cursor.at
    const end = endOfTexts(message, start)
    if (end === -1) return null
    // Not `slice`: of a Buffer that is a view, and the message's array may be used again.
    const bytes = copyBytes(message.subarray(start, end))
    const headers = this.#decodeHeaders(bytes)
    if (headers === null) return null
    this.#headerBytes = bytes
    this.#headers = Object.freeze(headers)
    cursor.at = end
    return headers
  }
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
