// Walks msgpack bytes without building anything, before a decoder may: a few bytes can promise an array
// of four billion items, or nest until the stack ends. Also finds where a value ends, which is how a
// stream of values is cut, as it comes (`client/value-stream.ts`).

export interface MsgpackLimits {
  /** Arrays and maps inside one another. */
  readonly maxDepth: number
  /** Values in all, map keys included. */
  readonly maxItems: number
}

/** Null when `bytes` hold exactly one value within the limits, otherwise a sentence saying what is wrong. */
export function checkBounds(bytes: Uint8Array, limits: MsgpackLimits): string | null {
  const end = endOfValue(bytes, 0, limits)
  if (typeof end === 'string') return end
  if (end === -1) return 'The msgpack value breaks off before its end.'
  if (end !== bytes.length) return 'There are bytes after the msgpack value.'
  return null
}

/**
 * Where the value that begins at `start` ends; -1 when `bytes` break off before that;
 * a sentence when it is over a limit or not msgpack.
 */
export function endOfValue(
  bytes: Uint8Array,
  start: number,
  limits: MsgpackLimits,
): number | string {
  return new ValueScan(limits).next(bytes, start)
}

/** Finds where one value ends, in bytes that may come in pieces: no byte is looked at twice. */
export class ValueScan {
  readonly #limits: MsgpackLimits
  /** Values still to come on each open level. */
  readonly #open: number[] = []
  #items = 0
  /** Nothing but the content of its last item is still to come. */
  #isLast = false
  #resumeAt = 0

  constructor(limits: MsgpackLimits) {
    this.#limits = limits
  }

  /**
   * Where to go on when the bytes of `next` broke off: at an item that was not whole yet, or beyond them,
   * behind the rest of a text or of bytes that nobody needs to look at.
   */
  get resumeAt(): number {
    return this.#resumeAt
  }

  /**
   * Goes on at `start`. Returns where the value ends; -1 when `bytes` break off before that;
   * a sentence when it is over a limit or not msgpack.
   */
  next(bytes: Uint8Array, start: number): number | string {
    const { maxDepth, maxItems } = this.#limits
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const length = bytes.length
    const open = this.#open
    let at = start
    for (;;) {
      this.#resumeAt = at
      if (this.#isLast) return at <= length ? at : -1
      if (at >= length) return -1
      const byte = bytes[at++]!
      let children = 0
      if (byte <= 0x7f || byte >= 0xe0) {
        // fixint: one byte
      } else if (byte <= 0x8f) children = (byte & 0x0f) * 2
      else if (byte <= 0x9f) children = byte & 0x0f
      else if (byte <= 0xbf) at += byte & 0x1f
      else {
        const sizeBytes = SIZE_BYTES[byte - 0xc0]!
        if (sizeBytes < 0) return 'The bytes are not msgpack.'
        if (at + sizeBytes > length) return -1
        const size =
          sizeBytes === 0
            ? 0
            : sizeBytes === 1
              ? bytes[at]!
              : sizeBytes === 2
                ? view.getUint16(at)
                : view.getUint32(at)
        at += sizeBytes + FIXED_BYTES[byte - 0xc0]!
        if (byte === 0xdc || byte === 0xdd) children = size
        else if (byte === 0xde || byte === 0xdf) children = size * 2
        else {
          at += size
          // Extension types can carry code of the decoder's own: only the timestamp (-1) is let in.
          const typeAt = extensionTypeAt(byte, at, size)
          if (typeAt !== -1) {
            if (typeAt >= length) return -1
            if (bytes[typeAt] !== 0xff)
              return 'Extension types other than the timestamp are not accepted.'
          }
        }
      }
      if (++this.#items > maxItems) return `The msgpack value has more than ${maxItems} items.`
      if (children > 0) {
        if (open.length >= maxDepth) return `The msgpack value is nested deeper than ${maxDepth}.`
        // Every child takes at least one byte: a promise that the bytes cannot keep is refused at once
        // when it is also over the limit of items, and otherwise awaited.
        if (children > maxItems) return `The msgpack value has more than ${maxItems} items.`
        open.push(children)
        continue
      }
      while (open.length > 0) {
        const left = open[open.length - 1]! - 1
        if (left > 0) {
          open[open.length - 1] = left
          break
        }
        open.pop()
      }
      this.#isLast = open.length === 0
    }
  }
}

// Bytes of the length field after 0xc0..0xdf; -1: never used.
const SIZE_BYTES = [
  0, -1, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4,
]
// Bytes of fixed content after it: numbers, and for extensions the type byte with fixed data.
const FIXED_BYTES = [
  0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0,
]

function extensionTypeAt(byte: number, end: number, size: number): number {
  if (byte >= 0xc7 && byte <= 0xc9) return end - size - 1
  if (byte >= 0xd4 && byte <= 0xd8) return end - FIXED_BYTES[byte - 0xc0]!
  return -1
}
