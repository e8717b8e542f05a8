// msgpack, written by hand straight into a message, for the frames that every call has: msgpackr's way, with a
// buffer of its own, takes twice the time. The bytes are the same. Each writes at `at`, where there must be
// room, and returns the position after it.

/** Up to here a loop is faster than a call of Buffer's encoder. */
const SHORT_TEXT_CHARS = 40
/** Of the header of an array, a map, a text, bytes or a number. */
export const HEADER_BYTES = 9
/** Of one UTF-16 unit, in UTF-8. */
const MAX_UNIT_BYTES = 3

/** No fewer bytes than `writeText` will write for texts of so many characters. */
export function textBytesAtMost(texts: number, chars: number): number {
  return texts * HEADER_BYTES + MAX_UNIT_BYTES * chars
}

export function writeNil(target: Buffer, at: number): number {
  target[at] = 0xc0
  return at + 1
}

export function writeCount(target: Buffer, at: number, count: number): number {
  if (count < 0x80) {
    target[at] = count
    return at + 1
  }
  if (count < 0x100) {
    target[at] = 0xcc
    target[at + 1] = count
    return at + 2
  }
  if (count < 0x10000) {
    target[at] = 0xcd
    return target.writeUInt16BE(count, at + 1)
  }
  if (count < 0x1_0000_0000) {
    target[at] = 0xce
    return target.writeUInt32BE(count, at + 1)
  }
  target[at] = 0xcb
  return target.writeDoubleBE(count, at + 1)
}

export function writeArrayHeader(target: Buffer, at: number, count: number): number {
  return writeHeader(target, at, count, 0x90, 0xdc)
}

/** `short` holds up to fifteen in itself, `long` is followed by sixteen bits, the one after it by 32. */
function writeHeader(
  target: Buffer,
  at: number,
  count: number,
  short: number,
  long: number,
): number {
  if (count < 16) {
    target[at] = short | count
    return at + 1
  }
  if (count < 0x10000) {
    target[at] = long
    return target.writeUInt16BE(count, at + 1)
  }
  target[at] = long + 1
  return target.writeUInt32BE(count, at + 1)
}

export function writeTextMap(
  target: Buffer,
  start: number,
  map: Readonly<Record<string, string>>,
): number {
  let count = 0
  for (const _ in map) count++
  let at = writeHeader(target, start, count, 0x80, 0xde)
  for (const name in map) at = writeText(target, writeText(target, at, name), map[name]!)
  return at
}

export function writeText(target: Buffer, at: number, text: string): number {
  if (text.length > SHORT_TEXT_CHARS) return writeLongText(target, at, text)
  const headerBytes = text.length < 32 ? 1 : 2
  let end = at + headerBytes
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char >= 0x80) return writeLongText(target, at, text)
    target[end++] = char
  }
  return writeTextHeader(target, at, text.length, headerBytes) + text.length
}

function writeLongText(target: Buffer, at: number, text: string): number {
  const bytes = Buffer.byteLength(text)
  const headerBytes = bytes < 32 ? 1 : bytes < 0x100 ? 2 : bytes < 0x10000 ? 3 : 5
  target.write(text, at + headerBytes, 'utf8')
  return writeTextHeader(target, at, bytes, headerBytes) + bytes
}

function writeTextHeader(
  target: Buffer,
  at: number,
  bytes: number,
  headerBytes: 1 | 2 | 3 | 5,
): number {
  switch (headerBytes) {
    case 1:
      target[at] = 0xa0 | bytes
      return at + 1
    case 2:
      target[at] = 0xd9
      target[at + 1] = bytes
      return at + 2
    case 3:
      target[at] = 0xda
      return target.writeUInt16BE(bytes, at + 1)
    case 5:
      target[at] = 0xdb
      return target.writeUInt32BE(bytes, at + 1)
  }
}

export function writeBytes(target: Buffer, at: number, bytes: Uint8Array): number {
  const { length } = bytes
  if (length < 0x100) {
    target[at] = 0xc4
    target[at + 1] = length
    return writeRaw(target, at + 2, bytes)
  }
  if (length < 0x10000) {
    target[at] = 0xc5
    return writeRaw(target, target.writeUInt16BE(length, at + 1), bytes)
  }
  target[at] = 0xc6
  return writeRaw(target, target.writeUInt32BE(length, at + 1), bytes)
}

/** As they are. */
export function writeRaw(target: Buffer, at: number, bytes: Uint8Array): number {
  target.set(bytes, at)
  return at + bytes.length
}
