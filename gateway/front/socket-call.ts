// One WebSocket, from its handshake to its close: joins the client's connection to an invocation.
//
//   deciding ──start──▶ calling ──ACCEPT──▶ open ──▶ closed
//      └── refuse ──▶ closed ◀── error: an HTTP answer ┘ (the connection is not a WebSocket yet)
//
// uWebSockets.js cannot stop reading a WebSocket: what the function does not take up waits here, within a
// bound, and a client that goes on sending is closed with 1013.

import type { HttpResponse, us_socket_context_t, WebSocket } from 'uWebSockets.js'
import { CallError, errorMeaning } from '../../shared/errors.js'
import type { FlatHeaders } from '../../shared/frame.js'
import type { Principal } from '../auth/authenticator.js'
import type { AnswerHandler, SocketHandler } from '../dispatch/answer-handler.js'
import type { Dispatcher } from '../dispatch/dispatcher.js'
import type { Invocation } from '../dispatch/invocation.js'
import type { RouteTarget } from '../functions.js'
import type { PendingCall, Refusal } from './admission.js'
import type { CallHeads } from './call-head.js'
import type { CallRecords } from './call-records.js'
import type { Clients, OpenCall } from './clients.js'
import type { CorkAnchor } from './cork-anchor.js'
import type { Handshake } from './handshake.js'
import { problemOf } from './problem.js'
import type { RequestHead } from './request-head.js'
import { ResponseWriter } from './response-writer.js'
import { onTokenExpiry } from './token-expiry.js'

/**
 * Messages that may wait for the function, together with one of the largest size: with more, the next one
 * closes the client. Small messages cost more than their bytes.
 */
const MAX_WAITING_MESSAGES = 10_000
/** A small limit for a message is no small limit for their number. */
const LEAST_WAITING_BYTES = 1024 * 1024
/** Compressing less than this makes it longer, or saves nothing worth the time. */
const LEAST_COMPRESSED_BYTES = 512
const EXPIRED_TOKEN_CODE = 4401
const MAX_REASON_BYTES = 123

/** Its answers are refusals: the socket call accounts for them itself. */
const NOBODY = { onSent() {}, onDone() {} }

export interface SocketData {
  readonly call: SocketCall
}

export interface SocketCallOptions {
  readonly dispatcher: Dispatcher
  readonly callHeads: CallHeads
  readonly records: CallRecords
  /** Whether a connection ends with the token that opened it. */
  readonly closesOnExpiry: boolean
  /** Largest message, whatever the function says. */
  readonly maxMessageBytes: number
  readonly anchor: CorkAnchor
  readonly clients: Clients
}

type SocketState = 'deciding' | 'calling' | 'open' | 'closed'

export class SocketCall implements PendingCall, AnswerHandler, SocketHandler, OpenCall {
  readonly #res: HttpResponse
  readonly #context: us_socket_context_t
  readonly #head: RequestHead
  readonly #handshake: Handshake
  readonly #callId: string
  readonly #options: SocketCallOptions
  readonly #writer: ResponseWriter
  readonly #startedMs = performance.now()
  readonly socket = this
  #state: SocketState = 'deciding'
  #target: RouteTarget | null = null
  #principal: Principal | null = null
  #invocation: Invocation | null = null
  #ws: WebSocket<SocketData> | null = null
  #stopExpiry: (() => void) | null = null
  /** Given to the engine, and not yet taken by the client. */
  #unsentPieces: number[] = []
  #isInsideMessage = false
  #isClosedByFunction = false
  /** Code and reason of the close that waits for the client to read what was sent before. */
  #farewell: [code: number, reason: string] | null = null
  #receivedMessages = 0
  #sentMessages = 0
  #code: string | undefined

  constructor(
    res: HttpResponse,
    context: us_socket_context_t,
    head: RequestHead,
    handshake: Handshake,
    callId: string,
    options: SocketCallOptions,
  ) {
    this.#res = res
    this.#context = context
    this.#head = head
    this.#handshake = handshake
    this.#callId = callId
    this.#options = options
    this.#writer = new ResponseWriter(res, callId, false, NOBODY)
    options.clients.sockets.add(this)
    res.onAborted(() => this.#onClientGone())
  }

  // ---- admission --------------------------------------------------------------------------------------

  start(
    target: RouteTarget,
    params: Readonly<Record<string, string>>,
    principal: Principal | null,
  ): void {
    if (this.#state !== 'deciding') return
    this.#state = 'calling'
    this.#target = target
    this.#principal = principal
    const { dispatcher, callHeads } = this.#options
    this.#invocation = dispatcher.start(
      callHeads.of({ target, params, principal }, this.#head, 'WS', this.#callId),
      null,
      false,
      this,
    )
  }

  refuse(error: CallError, how: Refusal = {}): void {
    if (this.#state === 'closed') return
    this.#target ??= how.target ?? null
    const problem = problemOf(error, this.#callId, how.headers)
    const connection = how.connection ?? (this.#options.clients.areLeaving ? 'cut' : 'keep')
    this.#writer.whole(problem.status, problem.headers, problem.body, connection)
    this.#finish(problem.status, error.code)
  }

  // ---- what the function does ------------------------------------------------------------------------

  onAccept(protocol: string | null): void {
    if (this.#state !== 'calling') return
    const { key, extensions, protocols, tokenProtocol } = this.#handshake
    // It would stand in the head of our answer.
    if (protocol !== null && !protocols.includes(protocol)) {
      this.#invocation?.cancel()
      const sentence = 'The function has chosen a subprotocol that the client does not offer.'
      return this.refuse(new CallError('protocol_error', sentence))
    }
    this.#state = 'open'
    this.#writer.abandon()
    // A browser that offered nothing but its token would take an answer without it for a failure.
    const chosen = protocol ?? (protocols.length === 1 ? tokenProtocol : null) ?? ''
    const res = this.#res
    this.#options.anchor.run(() => {
      // A header before the status would make it 200.
      res.writeStatus('101 Switching Protocols')
      res.writeHeader('x-call-id', this.#callId)
      res.upgrade({ call: this }, key, chosen, extensions, this.#context)
    })
    this.#options.clients.onConnections(-1)
    this.#options.records.onSocketOpened(this.#target!.functionName)
  }

  onMessage(bytes: Uint8Array, isText: boolean, isLast: boolean): void {
    const ws = this.#ws
    if (ws === null) return
    ws.cork(() => this.#sendPiece(ws, bytes, isText, isLast))
    this.#unsentPieces.push(bytes.length)
    if (ws.getBufferedAmount() === 0) this.onDrained()
  }

  onClose(code: number, reason: string): void {
    this.#isClosedByFunction = true
    this.#endSocket(code, reason)
  }

  onEnd(): void {
    this.#isClosedByFunction = true
    this.#endSocket(1000, '')
  }

  onError(error: CallError): void {
    if (this.#state === 'calling') return this.refuse(error)
    this.#code ??= error.code
    this.#endSocket(errorMeaning[error.code].closeCode, error.message)
  }

  /** A runner that answers a WebSocket with a response has another form than its manifest says. */
  onReply(_status: number, _headers: FlatHeaders, _body: Uint8Array): void {
    this.refuse(new CallError('protocol_error', 'The function does not take WebSockets.'))
  }

  onHead(): void {
    this.#invocation?.cancel()
    this.refuse(new CallError('protocol_error', 'The function does not take WebSockets.'))
  }

  onBody(): void {}

  onFlush(): void {}

  onDrain(): void {}

  // ---- what the client does ----------------------------------------------------------------------------

  onOpen(ws: WebSocket<SocketData>): void {
    this.#ws = ws
    const expiresAtMs = this.#principal?.expiresAtMs ?? Number.POSITIVE_INFINITY
    if (!this.#options.closesOnExpiry || expiresAtMs === Number.POSITIVE_INFINITY) return
    this.#stopExpiry = onTokenExpiry(expiresAtMs, () => {
      this.#code = 'unauthenticated'
      this.closeFromHere(EXPIRED_TOKEN_CODE, 'The token has expired.')
    })
  }

  onClientMessage(message: ArrayBuffer, isBinary: boolean): void {
    const invocation = this.#invocation
    if (invocation === null || this.#state !== 'open') return
    const limitBytes = Math.min(this.#target!.maxMessageBytes, this.#options.maxMessageBytes)
    if (message.byteLength > limitBytes) {
      this.#code = 'payload_too_large'
      return this.closeFromHere(1009, `A message may have ${limitBytes} bytes.`)
    }
    const { waitingMessageBytes, waitingMessages } = invocation
    if (
      waitingMessageBytes > Math.max(LEAST_WAITING_BYTES, limitBytes) ||
      waitingMessages > MAX_WAITING_MESSAGES
    ) {
      this.#code = 'no_capacity'
      return this.closeFromHere(1013, 'The function does not keep up with the messages.')
    }
    this.#receivedMessages++
    invocation.sendMessage(new Uint8Array(message), !isBinary)
  }

  /** The client has taken everything that was sent. */
  onDrained(): void {
    for (const bytes of this.#unsentPieces.splice(0)) this.#invocation?.consumedMessage(bytes)
    if (this.#farewell !== null) this.#endSocket(...this.#farewell)
  }

  onClientClose(code: number, reason: string): void {
    this.#ws = null
    // The function's own close comes back from the client: it has heard of it.
    if (!this.#isClosedByFunction) this.#invocation?.closeSocket(code, reason)
    // After it: a grant for what the client will never read would let the function believe that it has.
    this.onDrained()
    this.#finish(101, this.#code ?? (code === 1006 ? 'cancelled' : undefined), code)
  }

  /** This end is leaving: the client can come back to another one. It reads first what it was sent. */
  sendAway(error: CallError): void {
    const { closeCode } = errorMeaning[error.code]
    if (this.#state !== 'open') {
      this.#invocation?.cancel()
      return this.refuse(error)
    }
    if (this.#unsentPieces.length === 0) return this.closeFromHere(closeCode, error.message)
    // Behind `closeSocket` the function says no more; see `onDrained` for the client.
    this.#invocation?.closeSocket(closeCode, error.message)
    this.#farewell = [closeCode, error.message]
  }

  /** Closes the client's connection and tells the function so. */
  closeFromHere(code: number, reason: string): void {
    if (this.#state !== 'open') return
    this.#invocation?.closeSocket(code, reason)
    this.#endSocket(code, reason)
  }

  // ---- within --------------------------------------------------------------------------------------------

  #sendPiece(ws: WebSocket<SocketData>, bytes: Uint8Array, isText: boolean, isLast: boolean): void {
    if (isLast) this.#sentMessages++
    if (isLast && !this.#isInsideMessage) {
      ws.send(bytes, !isText, bytes.length >= LEAST_COMPRESSED_BYTES)
    } else if (isLast) {
      this.#isInsideMessage = false
      ws.sendLastFragment(bytes, false)
    } else if (this.#isInsideMessage) ws.sendFragment(bytes, false)
    else {
      this.#isInsideMessage = true
      ws.sendFirstFragment(bytes, !isText, false)
    }
  }

  #endSocket(code: number, reason: string): void {
    const ws = this.#ws
    if (ws === null || this.#state !== 'open') return
    this.#state = 'closed'
    // Not inside `cork`, where the engine forgets to end the connection behind the close frame. The function
    // may have asked for no code, or for the one of a cut connection, which no frame can carry.
    if (code === 1005 || code === 1006) ws.close()
    else ws.end(code, shorten(reason))
  }

  #onClientGone(): void {
    this.#writer.abandon()
    this.#invocation?.cancel()
    this.#finish(499, 'cancelled')
  }

  #finish(status: number, code: string | undefined, closeCode?: number): void {
    this.#stopExpiry?.()
    this.#state = 'closed'
    this.#options.clients.sockets.delete(this)
    this.#options.clients.onQuiet()
    this.#options.records.addSocket({
      callId: this.#callId,
      method: 'WS',
      path: this.#head.path,
      function: this.#target?.functionName,
      subject: this.#principal?.subject ?? undefined,
      status,
      code,
      closeCode,
      durationMs: Math.round((performance.now() - this.#startedMs) * 100) / 100,
      receivedMessages: this.#receivedMessages,
      sentMessages: this.#sentMessages,
    })
  }
}

/** A close frame has room for so many bytes; never half a character. */
function shorten(reason: string): string {
  if (Buffer.byteLength(reason) <= MAX_REASON_BYTES) return reason
  return Buffer.from(reason)
    .subarray(0, MAX_REASON_BYTES)
    .toString('utf8')
    .replace(/\ufffd$/u, '')
}
