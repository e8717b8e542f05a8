// The line that pino makes of a call's record, byte for byte the same, put together by hand.

import type { CallRecord } from '../call-record.js'

const LEVEL_AND_TIME = Buffer.from('{"level":30,"time":')
const CALL_ID = Buffer.from(',"callId":')
const METHOD = Buffer.from(',"method":')
const PATH = Buffer.from(',"path":')
const FUNCTION = Buffer.from(',"function":')
const SUBJECT = Buffer.from(',"subject":')
const STATUS = Buffer.from(',"status":')
const CODE = Buffer.from(',"code":')
const DURATION_MS = Buffer.from(',"durationMs":')
const FIRST_BYTE_MS = Buffer.from(',"firstByteMs":')
const REQUEST_BYTES = Buffer.from(',"requestBytes":')
const RESPONSE_BYTES = Buffer.from(',"responseBytes":')
const MESSAGE_AND_END = Buffer.from(',"msg":"call"}\n')

/** Of all but the texts. */
const FIXED_BYTES = 400
/** A control character is an escape of six; any other one has at most three bytes in UTF-8. */
const CHAR_BYTES = 6

/** No fewer bytes than `writeLine` will write. */
export function lineBytesAtMost(record: CallRecord): number {
  const { callId, method, path } = record
  const chars =
    callId.length +
    method.length +
    path.length +
    (record.function?.length ?? 0) +
    (record.subject?.length ?? 0) +
    (record.code?.length ?? 0)
  return FIXED_BYTES + CHAR_BYTES * chars
}

/** Returns the position behind it. There must be room for `lineBytesAtMost`. */
export function writeLine(
  target: Buffer,
  start: number,
  record: CallRecord,
  timeMs: number,
): number {
  let at = writeAscii(target, copy(target, start, LEVEL_AND_TIME), textOf(timeMs))
  at = writeQuoted(target, copy(target, at, CALL_ID), record.callId)
  at = writeQuoted(target, copy(target, at, METHOD), record.method)
  at = writeQuoted(target, copy(target, at, PATH), record.path)
  if (record.function !== undefined) {
    at = writeQuoted(target, copy(target, at, FUNCTION), record.function)
  }
  if (record.subject !== undefined) {
    at = writeQuoted(target, copy(target, at, SUBJECT), record.subject)
  }
  at = writeNumber(target, copy(target, at, STATUS), record.status)
  if (record.code !== undefined) at = writeQuoted(target, copy(target, at, CODE), record.code)
  at = writeHundredths(target, copy(target, at, DURATION_MS), record.durationMs)
  if (record.firstByteMs !== undefined) {
    at = writeHundredths(target, copy(target, at, FIRST_BYTE_MS), record.firstByteMs)
  }
  at = writeNumber(target, copy(target, at, REQUEST_BYTES), record.requestBytes)
  at = writeNumber(target, copy(target, at, RESPONSE_BYTES), record.responseBytes)
  return copy(target, at, MESSAGE_AND_END)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const POINT = 0x2e
const DIGIT_0 = 0x30
const FIRST_PRINTABLE = 0x20
const LAST_PRINTABLE = 0x7e
/** Up to here numbers are written digit by digit. */
const MAX_SMALL_NUMBER = 2 ** 31 - 1

function copy(target: Buffer, at: number, bytes: Uint8Array): number {
  target.set(bytes, at)
  return at + bytes.length
}

function writeAscii(target: Buffer, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) target[at + index] = text.charCodeAt(index)
  return at + text.length
}

/** As a string of JSON. */
function writeQuoted(target: Buffer, start: number, text: string): number {
  let at = start
  target[at++] = QUOTE
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char < FIRST_PRINTABLE || char > LAST_PRINTABLE || char === QUOTE || char === BACKSLASH) {
      return start + target.write(JSON.stringify(text), start)
    }
    target[at++] = char
  }
  target[at] = QUOTE
  return at + 1
}

/** A whole number, not below zero. */
function writeNumber(target: Buffer, at: number, value: number): number {
  if (value > MAX_SMALL_NUMBER) return writeAscii(target, at, String(value))
  let digits = 1
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++
  return writeDigits(target, at, value, digits)
}

function writeDigits(target: Buffer, start: number, value: number, digits: number): number {
  let rest = value
  for (let at = start + digits - 1; at >= start; at--) {
    const tens = (rest / 10) | 0
    target[at] = DIGIT_0 + rest - tens * 10
    rest = tens
  }
  return start + digits
}

/** Two digits behind the point at most. */
function writeHundredths(target: Buffer, start: number, value: number): number {
  const hundredths = Math.round(value * 100)
  const whole = Math.floor(hundredths / 100)
  const rest = hundredths - whole * 100
  const at = writeNumber(target, start, whole)
  if (rest === 0) return at
  target[at] = POINT
  return rest % 10 === 0
    ? writeDigits(target, at + 1, rest / 10, 1)
    : writeDigits(target, at + 1, rest, 2)
}

let lastTimeMs = 0
let lastTimeText = '0'

/** Many calls end in one millisecond. */
function textOf(timeMs: number): string {
  if (timeMs !== lastTimeMs) {
    lastTimeMs = timeMs
    lastTimeText = String(timeMs)
  }
  return lastTimeText
}
