// The closed list of error codes. A code survives the wire unchanged; this table is the only place
// that says what it means in HTTP and as a WebSocket close.
// A new code without a row does not compile.

export interface ErrorMeaning {
  /** HTTP status of the problem document. */
  readonly status: number
  /** RFC 6455 close code when the call is a WebSocket. */
  readonly closeCode: number
  /** Short, constant text: the `title` of the problem document. */
  readonly title: string
  /** Whether a function may throw it to its caller as a `PublicError`. */
  readonly throwable: boolean
}

const TABLE = {
  // The caller's side.
  bad_request: row(400, 1002, 'Bad request', { throwable: true }),
  unauthenticated: row(401, 4401, 'Not authenticated', { throwable: true }),
  forbidden: row(403, 4403, 'Not allowed', { throwable: true }),
  not_found: row(404, 4404, 'Not found', { throwable: true }),
  method_not_allowed: row(405, 4405, 'Method not allowed', {}),
  not_acceptable: row(406, 4406, 'No acceptable representation', {}),
  conflict: row(409, 4409, 'Conflict', { throwable: true }),
  payload_too_large: row(413, 1009, 'Payload too large', { throwable: true }),
  unsupported_media_type: row(415, 1003, 'Unsupported media type', { throwable: true }),
  invalid_input: row(422, 1007, 'Invalid input', { throwable: true }),
  upgrade_required: row(426, 1002, 'Upgrade required', {}),
  rate_limited: row(429, 4429, 'Too many requests', { throwable: true }),
  cancelled: row(499, 1001, 'Cancelled', {}),
  // The function's side.
  function_failed: row(500, 1011, 'Function failed', { throwable: true }),
  timed_out: row(504, 4408, 'Timed out', {}),
  first_byte_timed_out: row(504, 4408, 'Timed out waiting for the first byte', {}),
  idle_timed_out: row(504, 4408, 'Timed out waiting for the next byte', {}),
  // Ours.
  no_capacity: row(503, 1013, 'No capacity', {}),
  draining: row(503, 1012, 'Shutting down', {}),
  unavailable: row(503, 1013, 'Temporarily unavailable', { throwable: true }),
  transport_unavailable: row(503, 1013, 'Connection to the runners lost', {}),
  load_failed: row(503, 1013, 'Function could not be loaded', {}),
  load_timeout: row(503, 1013, 'Function took too long to load', {}),
  runner_lost: row(502, 1011, 'Runner lost', {}),
  protocol_error: row(502, 1011, 'Protocol error', {}),
  internal: row(500, 1011, 'Internal error', {}),
} as const satisfies Record<string, ErrorMeaning>

export type ErrorCode = keyof typeof TABLE

/** The codes that a function may throw as a `PublicError`. */
export type ThrowableCode = {
  [C in ErrorCode]: (typeof TABLE)[C]['throwable'] extends true ? C : never
}[ErrorCode]

export const errorMeaning: Readonly<Record<ErrorCode, ErrorMeaning>> = TABLE

export const errorCodes = Object.keys(TABLE) as readonly ErrorCode[]

export const throwableCodes = errorCodes.filter(
  (code) => errorMeaning[code].throwable,
) as readonly ThrowableCode[]

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(TABLE, value)
}

export function isThrowableCode(value: unknown): value is ThrowableCode {
  return isErrorCode(value) && errorMeaning[value].throwable
}

/** Seconds for which a function may send a caller away: a day at most. */
export function isRetryAfter(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 86_400
}

/** One fault of an input, with the path to it: `['items', 3, 'size']`. */
export interface InputIssue {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/**
 * A failed call. `message` is read by the caller: a sentence that says what to change.
 * What only the operator may know goes to the log, never in here.
 */
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly code: ErrorCode
  /** The faults of the input, for `invalid_input`. */
  readonly issues: readonly InputIssue[] | undefined
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    facts: { issues?: readonly InputIssue[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    // A stack trace takes half of the time of a refusal, and says nothing: the code and the call id do.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.issues = facts.issues
    this.retryAfterSeconds = facts.retryAfterSeconds
  }
}

function row<const T extends boolean = false>(
  status: number,
  closeCode: number,
  title: string,
  is: { throwable?: T },
) {
  return {
    status,
    closeCode,
    title,
    throwable: (is.throwable ?? false) as T,
  }
}
