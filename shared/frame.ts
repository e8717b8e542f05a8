// The frames of the wire, as PROTOCOL.md gives them: msgpack arrays whose first element is the type.
// They stay arrays in memory, so that a decoded message needs no second object per frame; a switch on
// `frame[0]` narrows the union. `readFrame` is the only way from an unknown value to a Frame.

import { type ErrorCode, type InputIssue, isErrorCode } from './errors.js'

/** The protocol's version: announced by runners, and refused by callers that know another one. */
export const PROTOCOL_VERSION = 1

/**
 * Request body bytes that a caller may send before the runner has granted any. Large enough that the
 * usual JSON body travels inside its CALL, small enough that `slots x initial` is no memory to speak of.
 */
export const INITIAL_BODY_CREDIT_BYTES = 64 * 1024

/**
 * Largest body chunk of one BODY frame, and the size at which an outbox closes its message. Measured on
 * a bare publisher and subscriber: 64 KiB messages 0.31 GB/s, 256 KiB 0.36, 512 KiB 0.41, and alike through
 * gateway and runner; above 256 KiB a small call waits too long behind a chunk.
 */
export const MAX_CHUNK_BYTES = 256 * 1024

/** Bytes of a message that are kept free for the frame around a chunk. */
export const FRAME_OVERHEAD_BYTES = 64

export const FRAME = {
  call: 1,
  body: 2,
  end: 3,
  credit: 4,
  cancel: 5,
  ping: 6,
  busy: 7,
  free: 8,
  reply: 9,
  head: 10,
  error: 11,
  accept: 12,
  message: 13,
  close: 14,
} as const

/** Bits of a MESSAGE's flags. */
export const MESSAGE_TEXT = 1
/** The message's last piece, and often its only one. */
export const MESSAGE_LAST = 2

/**
 * What each MESSAGE costs beside its bytes, in credit: a message without bytes still takes memory.
 */
export const MESSAGE_COST_BYTES = 32

/** Names and values in turn: `['content-type', 'text/plain', 'x-a', '1']`. Repeated names stay repeated. */
export type FlatHeaders = readonly string[]

/** The verified claims that travel with a call. */
export interface WirePrincipal {
  readonly subject: string | null
  readonly scopes: readonly string[]
  readonly claims: Readonly<Record<string, unknown>>
}

export type CallFrame = readonly [
  type: typeof FRAME.call,
  id: number,
  callId: string,
  /** Milliseconds that are left for the call, or null where there is no limit. */
  timeoutMs: number | null,
  /** Response body bytes that the runner may send before a CREDIT. */
  replyCreditBytes: number,
  method: string,
  url: string,
  params: Readonly<Record<string, string>> | null,
  headers: FlatHeaders,
  principal: WirePrincipal | null,
  /** The body, or its beginning. */
  body: Uint8Array | null,
  /** True when BODY and END frames follow. */
  hasMore: boolean,
]
export type BodyFrame = readonly [type: typeof FRAME.body, id: number, bytes: Uint8Array]
export type EndFrame = readonly [type: typeof FRAME.end, id: number]
export type CreditFrame = readonly [type: typeof FRAME.credit, id: number, bytes: number]
export type CancelFrame = readonly [type: typeof FRAME.cancel, id: number, code: ErrorCode]
export type PingFrame = readonly [type: typeof FRAME.ping]
export type BusyFrame = readonly [type: typeof FRAME.busy, id: number]
export type FreeFrame = readonly [type: typeof FRAME.free, slots: number]
export type ReplyFrame = readonly [
  type: typeof FRAME.reply,
  id: number,
  status: number,
  headers: FlatHeaders,
  body: Uint8Array,
]
export type HeadFrame = readonly [
  type: typeof FRAME.head,
  id: number,
  status: number,
  headers: FlatHeaders,
]
export type ErrorFrame = readonly [
  type: typeof FRAME.error,
  id: number,
  code: ErrorCode,
  message: string,
  issues: readonly InputIssue[] | null,
  retryAfterSeconds: number | null,
]
export type AcceptFrame = readonly [
  type: typeof FRAME.accept,
  id: number,
  /** The subprotocol that the function has chosen. */
  protocol: string | null,
]
export type MessageFrame = readonly [
  type: typeof FRAME.message,
  id: number,
  flags: number,
  bytes: Uint8Array,
]
export type CloseFrame = readonly [
  type: typeof FRAME.close,
  id: number,
  /** As RFC 6455 has it; 1006 where a connection was cut. */
  code: number,
  reason: string,
]

export type Frame =
  | CallFrame
  | BodyFrame
  | EndFrame
  | CreditFrame
  | CancelFrame
  | PingFrame
  | BusyFrame
  | FreeFrame
  | ReplyFrame
  | HeadFrame
  | ErrorFrame
  | AcceptFrame
  | MessageFrame
  | CloseFrame

/**
 * Checks that a decoded value is a frame: type, number of elements, and the type of each element.
 * Returns null for anything else. Elements beyond the known ones are refused too: a new element is a
 * new version.
 */
export function readFrame(value: unknown): Frame | null {
  if (!Array.isArray(value)) return null
  const length = value.length
  if (value[0] === FRAME.ping) return length === 1 ? (value as unknown as PingFrame) : null
  // FREE carries a number where the others carry the id: one check serves all.
  if (length < 2 || !isCount(value[1])) return null
  switch (value[0]) {
    case FRAME.call:
      return length === 12 && isCall(value) ? (value as unknown as CallFrame) : null
    case FRAME.body:
      return length === 3 && value[2] instanceof Uint8Array ? (value as unknown as BodyFrame) : null
    case FRAME.credit:
      return length === 3 && isCount(value[2]) ? (value as unknown as CreditFrame) : null
    case FRAME.cancel:
      return length === 3 && isErrorCode(value[2]) ? (value as unknown as CancelFrame) : null
    case FRAME.end:
    case FRAME.busy:
    case FRAME.free:
      return length === 2 ? (value as unknown as Frame) : null
    case FRAME.reply:
      return length === 5 && isHead(value) && value[4] instanceof Uint8Array
        ? (value as unknown as ReplyFrame)
        : null
    case FRAME.head:
      return length === 4 && isHead(value) ? (value as unknown as HeadFrame) : null
    case FRAME.error:
      return length === 6 && isError(value) ? (value as unknown as ErrorFrame) : null
    case FRAME.accept:
      return length === 3 && (value[2] === null || typeof value[2] === 'string')
        ? (value as unknown as AcceptFrame)
        : null
    case FRAME.message:
      return length === 4 && isFlags(value[2]) && value[3] instanceof Uint8Array
        ? (value as unknown as MessageFrame)
        : null
    case FRAME.close:
      return length === 4 && isCloseCode(value[2]) && typeof value[3] === 'string'
        ? (value as unknown as CloseFrame)
        : null
    default:
      return null
  }
}

function isCall(frame: readonly unknown[]): boolean {
  return (
    typeof frame[2] === 'string' &&
    (frame[3] === null || isCount(frame[3])) &&
    isCount(frame[4]) &&
    typeof frame[5] === 'string' &&
    typeof frame[6] === 'string' &&
    (frame[7] === null || isTextMap(frame[7])) &&
    isFlatHeaders(frame[8]) &&
    (frame[9] === null || isPrincipal(frame[9])) &&
    (frame[10] === null || frame[10] instanceof Uint8Array) &&
    typeof frame[11] === 'boolean'
  )
}

function isHead(frame: readonly unknown[]): boolean {
  const status = frame[2]
  return isCount(status) && status >= 200 && status <= 599 && isAnswerHeaders(frame[3])
}

function isError(frame: readonly unknown[]): boolean {
  return (
    isErrorCode(frame[2]) &&
    typeof frame[3] === 'string' &&
    (frame[4] === null || isIssues(frame[4])) &&
    (frame[5] === null || isCount(frame[5]))
  )
}

function isFlags(value: unknown): boolean {
  return isCount(value) && value <= (MESSAGE_TEXT | MESSAGE_LAST)
}

function isTextMap(value: unknown): boolean {
  if (!isPlainObject(value)) return false
  for (const item of Object.values(value as object)) if (typeof item !== 'string') return false
  return true
}

export function isPrincipal(value: unknown): value is WirePrincipal {
  if (!isPlainObject(value)) return false
  const { subject, scopes, claims } = value as Record<string, unknown>
  return (
    (subject === null || typeof subject === 'string') &&
    Array.isArray(scopes) &&
    scopes.every((scope) => typeof scope === 'string') &&
    isPlainObject(claims)
  )
}

function isIssues(value: unknown): boolean {
  if (!Array.isArray(value)) return false
  return value.every(
    (issue) =>
      isPlainObject(issue) &&
      typeof issue.message === 'string' &&
      Array.isArray(issue.path) &&
      issue.path.every((step: unknown) => typeof step === 'string' || typeof step === 'number'),
  )
}

function isCloseCode(value: unknown): boolean {
  return isCount(value) && value >= 1000 && value <= 4999
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isPlainObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
/** Each character stands for a byte; those that end a line would begin another field, or answer. */
const FIELD_VALUE = /^[^\0\r\n\u0100-\uffff]*$/

/** Whether it is what may stand in the head of an answer. */
export function isAnswerHeaders(value: unknown): value is FlatHeaders {
  if (!isFlatHeaders(value)) return false
  return value.every((text, index) => (index % 2 === 0 ? FIELD_NAME : FIELD_VALUE).test(text))
}

/** Whether it is names and values in turn. */
function isFlatHeaders(value: unknown): value is FlatHeaders {
  if (!Array.isArray(value) || value.length % 2 !== 0) return false
  for (const item of value) if (typeof item !== 'string') return false
  return true
}
