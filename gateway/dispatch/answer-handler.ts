// What the one who starts an invocation hears of it. Exactly one of onReply, onEnd and onError is the
// last; nothing comes after it, nor after `Invocation.cancel`.

import type { CallError } from '../../shared/errors.js'
import type { FlatHeaders, WirePrincipal } from '../../shared/frame.js'

/** What is known of a call before its body. */
export interface CallHead {
  readonly functionName: string
  readonly callId: string
  /** Total time in milliseconds, from the moment a runner has the call; null: unlimited. */
  readonly timeoutMs: number | null
  /** Longest wait for the first byte of the answer; null: unlimited. */
  readonly firstByteMs: number | null
  /** Longest pause between two frames, either way; null: unlimited. */
  readonly idleMs: number | null
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly params: Readonly<Record<string, string>> | null
  readonly headers: FlatHeaders
  readonly principal: WirePrincipal | null
  /** Calls that share it share one place in the queue's turn, and one limit; empty: of nobody. */
  readonly fairnessKey: string
  /** Calls a turn in the queue, at least 1. */
  readonly weight: number
  /** Larger leaves the queue first. */
  readonly priority: number
  /** Calls with one hash go to one runner while it has room; null: to the least loaded. */
  readonly affinityHash: number | null
  /** Whether it may run again when its runner is lost: then it has up to `maxAttempts` runners. */
  readonly isIdempotent: boolean
  readonly maxAttempts: number
}

export interface AnswerHandler {
  /** A whole answer. `body` is valid until `onFlush`, which follows. */
  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void
  /** The beginning of an answer whose body follows. */
  onHead(status: number, headers: FlatHeaders): void
  /**
   * A piece of the body, valid until `onFlush`. Call `Invocation.consumed` with its length when it has left,
   * now or later: that is what lets the runner send more.
   */
  onBody(bytes: Uint8Array): void
  /**
   * After `onReply`, or one or more `onBody`: no more will come in this turn of the event loop. Writing is for
   * here: what has come for many calls at once is read first, and then written, each with code and data that
   * are in the CPU's caches.
   */
  onFlush(): void
  /** The body is complete. */
  onEnd(): void
  /** The call failed; after `onHead`, the answer breaks off. */
  onError(error: CallError): void
  /** More may be written, after `Invocation.write` or `sendMessage` has returned false. */
  onDrain(): void
  /** Of an invocation that is a WebSocket; any other that is answered with messages breaks the protocol. */
  readonly socket?: SocketHandler
}

export interface SocketHandler {
  /** The function takes the connection. */
  onAccept(protocol: string | null): void
  /**
   * A piece of a message, valid during the call only. Call `Invocation.consumedMessage` with its length
   * when it has left.
   */
  onMessage(bytes: Uint8Array, isText: boolean, isLast: boolean): void
  /** The function closes the connection; `onEnd` or `onError` still follows. */
  onClose(code: number, reason: string): void
}
