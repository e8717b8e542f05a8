// Bytes <-> frames and values. The only importer of msgpackr.
//
// Records (msgpackr's own extension) are off, so that any msgpack library can read the wire. Body frames
// are written by hand around the caller's bytes, which spares the largest payloads a copy. The native addon
// stays out (`msgpackr/pack`): it makes every start longer, and only values of many strings faster.

import { addExtension, Packr, Unpackr } from 'msgpackr/pack'
import { CallReader, deepFreeze } from './call-reader.js'
import { FRAME, type Frame, isAnswerHeaders, isPrincipal, readFrame } from './frame.js'
import { checkBounds, type MsgpackLimits } from './msgpack-bounds.js'
import { ReplyReader } from './reply-reader.js'

/**
 * Views of memory that are neither bytes nor known to msgpackr without its own extensions: it would write one
 * byte for each number, and then whatever lies behind them in its buffer.
 */
const OtherView = {
  [Symbol.hasInstance]: (value: unknown) =>
    ArrayBuffer.isView(value) && !(value instanceof Uint8Array),
}

// As in JSON: numbers become an array, and an error shows what was added to it, but not its message.
addExtension({
  Class: OtherView,
  write: (view: ArrayBufferView) =>
    view instanceof DataView
      ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
      : Array.from(view as unknown as Iterable<number | bigint>),
} as unknown as Parameters<typeof addExtension>[0])
addExtension({
  Class: Error,
  write: (error: Error & { toJSON?(): unknown }) =>
    typeof error.toJSON === 'function' ? error.toJSON() : { ...error },
} as unknown as Parameters<typeof addExtension>[0])

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true })
const frameUnpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
// Other languages write every large integer in 64 bits: a number where one holds it exactly.
const valueUnpackr = new Unpackr({
  // A function may transfer bytes out of its input to a worker.
  copyBuffers: true,
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: 'auto' as 'number',
})

const replyReader = new ReplyReader((bytes) => {
  const headers = unpackAll(bytes)[0]
  return isAnswerHeaders(headers) ? headers : null
})

const callReader = new CallReader((bytes) => {
  const principal = unpackAll(bytes)[0]
  return isPrincipal(principal) ? principal : null
})

/** Values of `application/msgpack` bodies come from strangers: no deeper, and no more of them. */
export const VALUE_LIMITS: MsgpackLimits = { maxDepth: 128, maxItems: 1_000_000 }

/** Thrown for bytes that are no frames, or no value. Its message is safe to show. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
}

/** The bytes of one frame. They stay valid until overwritten by the caller; nothing is reused. */
export function encodeFrame(frame: Frame): Uint8Array {
  return packr.pack(frame)
}

/** Bytes that `writeBodyHeader` and `writeMessageHeader` need at most. */
export const PAYLOAD_HEADER_BYTES = 18

/**
 * Writes what stands before the bytes of a BODY frame: array of three, type, id, bin header.
 * Returns the position after it.
 */
export function writeBodyHeader(target: Buffer, at: number, id: number, bytes: number): number {
  target[at++] = 0x93
  target[at++] = FRAME.body
  at = writeId(target, at, id)
  return writeBinHeader(target, at, bytes)
}

/** Writes what stands before the bytes of a MESSAGE frame. Returns the position after it. */
export function writeMessageHeader(
  target: Buffer,
  at: number,
  id: number,
  flags: number,
  bytes: number,
): number {
  target[at++] = 0x94
  target[at++] = FRAME.message
  at = writeId(target, at, id)
  target[at++] = flags
  return writeBinHeader(target, at, bytes)
}

function writeId(target: Buffer, at: number, id: number): number {
  if (id < 0x80) {
    target[at] = id
    return at + 1
  }
  if (id <= 0xffffffff) {
    target[at] = 0xce
    return target.writeUInt32BE(id, at + 1)
  }
  target[at] = 0xcb
  return target.writeDoubleBE(id, at + 1)
}

function writeBinHeader(target: Buffer, at: number, bytes: number): number {
  if (bytes <= 0xff) {
    target[at] = 0xc4
    target[at + 1] = bytes
    return at + 2
  }
  target[at] = 0xc6
  return target.writeUInt32BE(bytes, at + 1)
}

/**
 * Reads every frame of a message, in order. Byte strings are views on `message`.
 * Throws a CodecError at the first one that is no frame, when the ones before it have been handed out, and
 * at once where the bytes are not msgpack.
 */
export function decodeFrames(message: Uint8Array, onFrame: (frame: Frame) => void): void {
  let at = 0
  const frames: Frame[] = []
  const bytes = asBuffer(message)
  while (at < bytes.length) {
    const reader = bytes[at + 1] === FRAME.call ? callReader : replyReader
    const frame = reader.read(bytes, at)
    if (frame === null) break
    frames.push(frame)
    at = reader.end
  }
  const others = at === message.length ? [] : unpackAll(at === 0 ? message : message.subarray(at))
  for (const frame of frames) onFrame(frame)
  for (const value of others) {
    const frame = readFrame(value)
    if (frame === null) throw new CodecError('A frame of the message is not one of PROTOCOL.md.')
    // As the reader of calls gives it, so that what a function may do does not depend on who has read.
    if (frame[0] === FRAME.call) deepFreeze(frame[9])
    onFrame(frame)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

// Decoded whole before the first frame is handled: msgpackr's decoder keeps its position in module state
// and must not be entered again by what a frame sets off.
function unpackAll(message: Uint8Array): unknown[] {
  try {
    return frameUnpackr.unpackMultiple(message) as unknown[]
  } catch (error) {
    throw new CodecError('The message is not msgpack.', { cause: error })
  }
}

/** One msgpack value. */
export function encodeValue(value: unknown): Uint8Array {
  return packr.pack(value)
}

/** One msgpack value from a stranger: checked for depth, number of items and trailing bytes first. */
export function decodeValue(bytes: Uint8Array, limits: MsgpackLimits = VALUE_LIMITS): unknown {
  const fault = checkBounds(bytes, limits)
  if (fault !== null) throw new CodecError(fault)
  try {
    return valueUnpackr.unpack(bytes)
  } catch (error) {
    throw new CodecError('The bytes are not msgpack.', { cause: error })
  }
}
