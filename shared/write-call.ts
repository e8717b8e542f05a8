// The bytes of a CALL, written straight into the message.

import { encodeValue } from './codec.js'
import { type CallFrame, FRAME, type WirePrincipal } from './frame.js'
import {
  HEADER_BYTES,
  textBytesAtMost,
  writeArrayHeader,
  writeBytes,
  writeCount,
  writeNil,
  writeRaw,
  writeText,
  writeTextMap,
} from './msgpack-writer.js'

const ELEMENTS = 12
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

/** No fewer bytes than `writeCall` will write. */
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
    (1 + ELEMENTS) * HEADER_BYTES +
    textBytesAtMost(texts, chars) +
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
  at = writeArrayHeader(target, at, headers.length)
  for (let index = 0; index < headers.length; index++) at = writeText(target, at, headers[index]!)
  at = writeRaw(target, at, principal)
  at = body === null ? writeNil(target, at) : writeBytes(target, at, body)
  target[at++] = frame[11] ? 0xc3 : 0xc2
  return at
}
