// A CALL's bytes, written by hand straight into the message: msgpackr's way, with a buffer of its own and
// the same principal packed for every call, took twice the time. The bytes are the same; `codec.ts` has
// every other frame, and what all of them have in common.

import { encodeValue } from './codec.js'
import { type CallFrame, FRAME, type WirePrincipal } from './frame.js'

/** Up to here a loop is faster than a call of Buffer's encoder. */
const SHORT_TEXT_CHARS = 40
/** Of everything but texts, principal and body: twelve headers of five bytes, and some more. */
const FIXED_BYTES = 80
const TEXT_HEADER_BYTES = 5
const NIL = Uint8Array.of(0xc0)

/** One token serves many calls. */
const packedPrincipals = new WeakMap<WirePrincipal, Uint8Array>()

/** The bytes of a CALL's principal, packed once for all calls with the same one. */
export function packedPrincipal(principal: WirePrincipal | null): Uint8Array {
  if (principal === null) return NIL
  let bytes = packedPrincipals.get(principal)
  if (bytes === undefined) {
    bytes = encodeValue(principal)
    packedPrincipals.set(principal, bytes)
  }
  return bytes
}

/** No fewer bytes than `writeCall` will write, and at most three times as many. */
export function callBytesAtMost(frame: CallFrame, principal: Uint8Array): number {
  const params = frame[7]
  const headers = frame[8]
  let chars = frame[2].length + frame[5].length + frame[6].length
  let texts = 3 + headers.length
  for (let index = 0; index < headers.length; index++) chars += headers[index]!.length
  if (params !== null) {
    for (const name in params) {
      chars += name.length + params[name]!.length
      texts += 2
    }
  }
  return (
    FIXED_BYTES +
    3 * chars +
    texts * TEXT_HEADER_BYTES +
    principal.length +
    (frame[10]?.length ?? 0)
  )
}

/** Writes the frame; returns the position after it. There must be room for `callBytesAtMost`. */
export function writeCall(
  target: Buffer,
  start: number,
  frame: CallFrame,
  principal: Uint8Array,
): number {
  // By index: to take the frame apart at once goes through an iterator.
  const timeoutMs = frame[3]
  const params = frame[7]
  const headers = frame[8]
  const body = frame[10]
  let at = start
  target[at++] = 0x90 | frame.length
  target[at++] = FRAME.call
  at = writeCount(target, at, frame[1])
  at = writeText(target, at, frame[2])
  at = timeoutMs === null ? writeNil(target, at) : writeCount(target, at, timeoutMs)
  at = writeCount(target, at, frame[4])
  at = writeText(target, at, frame[5])
  at = writeText(target, at, frame[6])
  at = params === null ? writeNil(target, at) : writeTextMap(target, at, params)
  at = writeHeader(target, at, headers.length, 0x90, 0xdc)
  for (let index = 0; index < headers.length; index++) at = writeText(target, at, headers[index]!)
  at = copy(target, at, principal)
  at = body === null ? writeNil(target, at) : writeBytes(target, at, body)
  target[at++] = frame[11] ? 0xc3 : 0xc2
  return at
}

function writeNil(target: Buffer, at: number): number {
  target[at] = 0xc0
  return at + 1
}

function writeCount(target: Buffer, at: number, count: number): number {
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

/** Of a list or a map: `short` holds up to fifteen in itself, `long` is followed by sixteen bits. */
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
  target[at] = long
  return target.writeUInt16BE(count, at + 1)
}

function writeTextMap(
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

function writeText(target: Buffer, at: number, text: string): number {
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

function writeBytes(target: Buffer, at: number, bytes: Uint8Array): number {
  const { length } = bytes
  if (length < 0x100) {
    target[at] = 0xc4
    target[at + 1] = length
    return copy(target, at + 2, bytes)
  }
  if (length < 0x10000) {
    target[at] = 0xc5
    return copy(target, target.writeUInt16BE(length, at + 1), bytes)
  }
  target[at] = 0xc6
  return copy(target, target.writeUInt32BE(length, at + 1), bytes)
}

function copy(target: Buffer, at: number, bytes: Uint8Array): number {
  target.set(bytes, at)
  return at + bytes.length
}
