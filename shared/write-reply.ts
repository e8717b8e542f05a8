// The bytes of a REPLY, written straight into the message.

import { FRAME, type ReplyFrame } from './frame.js'
import {
  HEADER_BYTES,
  textBytesAtMost,
  writeArrayHeader,
  writeBytes,
  writeCount,
  writeText,
} from './msgpack-writer.js'

const ELEMENTS = 5

/** No fewer bytes than `writeReply` will write. */
export function replyBytesAtMost(frame: ReplyFrame): number {
  const headers = frame[3]
  let chars = 0
  for (let index = 0; index < headers.length; index++) chars += headers[index]!.length
  return (1 + ELEMENTS) * HEADER_BYTES + textBytesAtMost(headers.length, chars) + frame[4].length
}

/** Writes the frame; returns the position after it. There must be room for `replyBytesAtMost`. */
export function writeReply(target: Buffer, start: number, frame: ReplyFrame): number {
  const headers = frame[3]
  let at = start
  target[at++] = 0x90 | frame.length
  target[at++] = FRAME.reply
  at = writeCount(target, at, frame[1])
  at = writeCount(target, at, frame[2])
  at = writeArrayHeader(target, at, headers.length)
  for (let index = 0; index < headers.length; index++) at = writeText(target, at, headers[index]!)
  return writeBytes(target, at, frame[4])
}
