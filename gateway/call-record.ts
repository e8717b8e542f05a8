// What is known of a call when it has ended: what its line in the log is made of, and its part of the metrics.

interface EndedCall {
  readonly callId: string
  /** Without the query: it may hold what a log must not. */
  readonly path: string
  /** Undefined where none was found. */
  readonly function: string | undefined
  /** Of the token. */
  readonly subject: string | undefined
  /** Of the answer; 499 where the client has left, 101 for a WebSocket that was opened. */
  readonly status: number
  /** Of the error, where it was one. */
  readonly code: string | undefined
  /** From the request's head on; to a hundredth, as all times in here. */
  readonly durationMs: number
}

export interface CallRecord extends EndedCall {
  readonly method: string
  /** To the head of an answer whose body followed; undefined where it came whole, or not at all. */
  readonly firstByteMs: number | undefined
  readonly requestBytes: number
  readonly responseBytes: number
}

export interface SocketRecord extends EndedCall {
  readonly method: 'WS'
  readonly closeCode: number | undefined
  readonly receivedMessages: number
  readonly sentMessages: number
}
