// One request, from its head to the last byte of its answer: joins the client's socket to an invocation.
// Owns the body until the invocation starts, and tells the invocation when the client leaves.
//
//   deciding ──start──▶ collecting ──▶ dispatched ──▶ over
//      ├────────────────────┴── refuse ──▶ answering ──▶ over
//      └── acknowledge ───────────────────────┘
//
// A body that is small or of unknown length is collected first, as far as it is there in this turn of the
// event loop or fits the initial credit: it then travels inside its CALL, and a client that sends a small
// body slowly holds no slot meanwhile. A large one is streamed.

import type { HttpResponse } from 'uWebSockets.js'
import { performance } from 'node:perf_hooks'
import { BodyPieces } from '../../shared/body-pieces.js'
import { copyBytes } from '../../shared/copy-bytes.js'
import { CallError } from '../../shared/errors.js'
import { type FlatHeaders, INITIAL_BODY_CREDIT_BYTES } from '../../shared/frame.js'
import type { Place } from '../../shared/live-list.js'
import type { Principal } from '../auth/authenticator.js'
import type { AnswerHandler } from '../dispatch/answer-handler.js'
import type { Dispatcher } from '../dispatch/dispatcher.js'
import type { RouteTarget } from '../functions.js'
import type { PendingCall, Refusal } from './admission.js'
import type { CallHeads, Route } from './call-head.js'
import type { CallRecords } from './call-records.js'
import type { Clients, OpenCall } from './clients.js'
import type { Cors } from './cors.js'
import type { Departing, Departures } from './departures.js'
import { EventStream } from './event-stream.js'
import type { CallHandle } from './idempotency/call-handle.js'
import type { SharedAnswers } from './idempotency/shared-answers.js'
import { LingeringEnd } from './lingering-end.js'
import { problemOf } from './problem.js'
import type { RequestHead } from './request-head.js'
import { type AfterAnswer, ResponseWriter, type WriterListener } from './response-writer.js'
import type { Stallable, StallGuard } from './stall-guard.js'

type CallState = 'deciding' | 'collecting' | 'answering' | 'dispatched' | 'over'

export interface HttpCallOptions {
  readonly dispatcher: Dispatcher
  readonly callHeads: CallHeads
  readonly sharedAnswers: SharedAnswers
  readonly records: CallRecords
  readonly stalls: StallGuard
  readonly clients: Clients
  readonly departures: Departures
  /** Null: functions answer pages of other origins themselves. */
  readonly cors: Cors | null
}

/** A whole answer. */
interface Reply {
  readonly status: number
  readonly headers: FlatHeaders
  readonly body: Uint8Array
}

const NOTHING = new Uint8Array(0)
/** The others may be sent twice anyway. */
const KEYED_METHODS = new Set(['POST', 'PATCH'])
/** Pieces up to here are worth a copy to be written together. */
const SMALL_BYTES = 16 * 1024

export class HttpCall
  implements PendingCall, AnswerHandler, WriterListener, Stallable, OpenCall, Departing
{
  readonly #res: HttpResponse
  readonly #head: RequestHead
  readonly #callId: string
  readonly #dispatcher: Dispatcher
  readonly #callHeads: CallHeads
  readonly #sharedAnswers: SharedAnswers
  readonly #records: CallRecords
  readonly #stalls: StallGuard
  readonly #clients: Clients
  readonly #departures: Departures
  readonly #place: Place<OpenCall>
  readonly #writer: ResponseWriter
  readonly #startedMs = performance.now()
  #state: CallState = 'deciding'
  #route: Route | null = null
  /** Of a call that was not let in. */
  #refusedTarget: RouteTarget | undefined
  #invocation: CallHandle | null = null
  #failureCode: string | undefined
  #firstByteMs: number | undefined
  #events: EventStream | null = null
  /** The answer, out of a message from the runner that is still being read. */
  #unwrittenReply: Reply | null = null
  /** Pieces of its body, likewise. */
  #unwritten: Uint8Array[] | null = null
  #lingeringEnd: LingeringEnd | null = null

  // The body before the invocation starts.
  readonly #collected = new BodyPieces()
  #bodyBytes = 0
  #isBodyWhole: boolean
  #isPaused = false

  /** `res` is watched from here on: for the client's leaving, and for its body. */
  constructor(res: HttpResponse, head: RequestHead, callId: string, options: HttpCallOptions) {
    const { dispatcher, callHeads, sharedAnswers, records, stalls, clients, departures, cors } =
      options
    this.#res = res
    this.#head = head
    this.#callId = callId
    this.#dispatcher = dispatcher
    this.#callHeads = callHeads
    this.#sharedAnswers = sharedAnswers
    this.#records = records
    this.#stalls = stalls
    this.#clients = clients
    this.#departures = departures
    this.#place = clients.calls.add(this)
    const corsFields = cors === null ? null : cors.fieldsFor(head)
    this.#writer = new ResponseWriter(res, callId, head.method === 'HEAD', this, corsFields)
    this.#isBodyWhole = head.framing === null
    res.onAborted(() => this.#onClientGone())
    if (this.#isBodyWhole) return
    res.onData((chunk, isLast) => this.#onData(new Uint8Array(chunk), isLast))
  }

  /** The route is found and the caller may use it. */
  start(
    target: RouteTarget,
    params: Readonly<Record<string, string>>,
    principal: Principal | null,
  ): void {
    if (this.#state !== 'deciding') return
    this.#route = { target, params, principal }
    const { maxBodyBytes } = target
    const framing = this.#head.framing as { bytes: number | null } | null
    const declaredBytes = framing?.bytes ?? null
    if (maxBodyBytes !== null && Math.max(declaredBytes ?? 0, this.#bodyBytes) > maxBodyBytes) {
      return this.#refuseTooLarge(maxBodyBytes)
    }
    this.#state = 'collecting'
    this.#resume()
    if ((declaredBytes ?? 0) > INITIAL_BODY_CREDIT_BYTES) this.depart()
    // Of unknown length: what has come by the end of this turn goes with the call, the rest follows.
    else if (this.#isBodyWhole || declaredBytes === null) this.#departures.add(this)
  }

  /** Answers without a body, and without calling. */
  acknowledge(): void {
    if (this.#state !== 'deciding') return
    this.#state = 'answering'
    this.#answer(204, [], NOTHING, this.#afterAnswer)
  }

  /** Answers with an error instead of calling. */
  refuse(error: CallError, how: Refusal = {}): void {
    if (this.#state !== 'deciding' && this.#state !== 'collecting') return
    this.#state = 'answering'
    this.#refusedTarget = how.target
    // Not while the engine parses: it would go on to what it takes for the next request. With an answer
    // pending it closes the connection instead.
    if (how.connection === 'cut') setImmediate(() => this.#answerRefusal(error, how))
    else this.#answerRefusal(error, how)
  }

  #answerRefusal(error: CallError, how: Refusal): void {
    if (this.#state !== 'answering') return
    this.#resume()
    const problem = problemOf(error, this.#callId, how.headers)
    this.#failureCode = error.code
    const connection = how.connection ?? this.#afterAnswer
    this.#answer(problem.status, problem.headers, problem.body, connection)
  }

  // ---- the answer ----------------------------------------------------------------------------------

  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void {
    this.#unwrittenReply = { status, headers, body }
  }

  onHead(status: number, headers: FlatHeaders): void {
    this.#firstByteMs = this.#elapsedMs
    this.#writer.begin(status, headers, this.#afterAnswer, this.#mustLinger)
    if (this.#writer.isDone) {
      // HEAD, or a status without a body: nobody wants what the function still has to say.
      this.#invocation?.cancel('succeeded')
      return
    }
    this.#stalls.add(this)
    if (EventStream.isOne(headers)) {
      this.#events = new EventStream(this.#writer, this.#route!.target.pingMs)
    }
  }

  onBody(bytes: Uint8Array): void {
    if (this.#unwritten === null) this.#unwritten = [bytes]
    else this.#unwritten.push(bytes)
  }

  /** One write for all that came at once: it is the system call that costs. */
  onFlush(): void {
    const reply = this.#unwrittenReply
    if (reply !== null) {
      this.#unwrittenReply = null
      this.#resume()
      return this.#answer(reply.status, reply.headers, reply.body, this.#afterAnswer)
    }
    for (const bytes of this.#takeUnwritten()) {
      this.#writer.write(bytes)
      this.#events?.onWritten(bytes)
    }
  }

  onEnd(): void {
    this.#resume()
    const pieces = this.#takeUnwritten()
    if (this.#mustLinger) {
      for (const bytes of pieces) this.#writer.write(bytes)
      return this.#linger()
    }
    const last = pieces.at(-1) ?? NOTHING
    const isSmall = last.length <= SMALL_BYTES
    for (const bytes of isSmall ? pieces.slice(0, -1) : pieces) this.#writer.write(bytes)
    this.#writer.end(isSmall ? last : NOTHING)
  }

  onError(error: CallError): void {
    this.#resume()
    this.onFlush()
    this.#failureCode ??= error.code
    const problem = problemOf(error, this.#callId)
    if (!this.#writer.hasBegun) {
      return this.#answer(problem.status, problem.headers, problem.body, this.#afterAnswer)
    }
    this.#events?.fail(problem)
    this.#writer.breakOff()
  }

  #answer(
    status: number,
    headers: FlatHeaders,
    body: Uint8Array | string,
    connection: AfterAnswer,
  ): void {
    if (connection === 'cut' || !this.#mustLinger || this.#head.method === 'HEAD') {
      return this.#writer.whole(status, headers, body, connection)
    }
    const bytes = Buffer.from(body)
    // Before the function's own, which need not be true.
    const counted = ['content-length', String(bytes.length), ...headers]
    this.#writer.begin(status, counted, connection, true)
    this.#writer.write(bytes)
    this.#linger()
  }

  get #mustLinger(): boolean {
    return this.#head.endsConnection && !this.#isBodyWhole
  }

  #linger(): void {
    if (this.#writer.isDone) return
    this.#lingeringEnd = new LingeringEnd(() => this.#writer.end())
    this.#stalls.add(this)
  }

  onSent(bytes: number): void {
    this.#invocation?.consumed(bytes)
  }

  onDone(): void {
    this.#finish()
  }

  onDrain(): void {
    this.#resume()
  }

  /** The gateway leaves now: says so in an answer, or breaks it off. */
  sendAway(error: CallError): void {
    if (this.#state === 'deciding' || this.#state === 'collecting') return this.refuse(error)
    if (this.#state !== 'dispatched') return
    const invocation = this.#invocation!
    if (invocation.isOver) this.onError(error)
    else invocation.abort(error)
  }

  get #afterAnswer(): AfterAnswer {
    if (!this.#clients.areLeaving) return 'keep'
    return this.#isBodyWhole ? 'cut' : 'close'
  }

  #takeUnwritten(): readonly Uint8Array[] {
    if (this.#unwritten === null) return []
    const pieces = joined(this.#unwritten)
    this.#unwritten = null
    return pieces
  }

  // ---- the body --------------------------------------------------------------------------------------

  #onData(chunk: Uint8Array, isLast: boolean): void {
    this.#bodyBytes += chunk.length
    this.#isBodyWhole = isLast
    if (this.#state === 'over') return
    if (this.#lingeringEnd !== null) return this.#lingeringEnd.onData(isLast)
    if (this.#state === 'answering') return
    const maxBodyBytes = this.#route?.target.maxBodyBytes ?? null
    if (maxBodyBytes !== null && this.#bodyBytes > maxBodyBytes)
      return this.#refuseTooLarge(maxBodyBytes)
    if (this.#state === 'dispatched') return this.#forward(chunk, isLast)
    // uWebSockets.js takes the chunk back when we return.
    if (chunk.length > 0) this.#collected.push(copyBytes(chunk))
    if (this.#state === 'collecting') {
      if (this.#bodyBytes > INITIAL_BODY_CREDIT_BYTES) this.depart()
      else if (isLast) this.#departures.add(this)
    } else if (!isLast) this.#pause()
  }

  #forward(chunk: Uint8Array, isLast: boolean): void {
    const invocation = this.#invocation!
    const hasRoom = chunk.length === 0 || invocation.write(chunk)
    if (isLast) invocation.end()
    else if (!hasRoom) this.#pause()
  }

  /** Becomes an invocation, if it is still waiting to. */
  depart(): void {
    if (this.#state !== 'collecting') return
    this.#state = 'dispatched'
    const body = this.#collected.take()
    const { method, idempotencyKey } = this.#head
    const head = this.#callHeads.of(this.#route!, this.#head, method, this.#callId)
    this.#invocation =
      idempotencyKey === null || !KEYED_METHODS.has(method)
        ? this.#dispatcher.start(head, body, !this.#isBodyWhole, this)
        : this.#sharedAnswers.start(idempotencyKey, head, body, !this.#isBodyWhole, this)
    this.#resume()
    if (!this.#isBodyWhole && !this.#isOver) this.#stalls.add(this)
  }

  /** Of the engine's clock; a paused response has none. */
  keepAlive(): void {
    if (this.#writer.hasBegun) this.#writer.retry()
    else if (!this.#isPaused) this.#res.resume()
  }

  /**
   * Too large, known in advance or found while counting: nothing more of it goes to a function, and the
   * client, which may still be sending, is asked to close.
   */
  #refuseTooLarge(maxBodyBytes: number): void {
    const error = new CallError(
      'payload_too_large',
      `The body may have ${maxBodyBytes} bytes at most.`,
    )
    if (this.#state === 'dispatched') {
      this.#invocation?.cancel()
      if (this.#writer.hasBegun) {
        this.#failureCode = error.code
        return this.#writer.breakOff()
      }
      this.#state = 'collecting'
    }
    this.refuse(error, { connection: 'close' })
  }

  #pause(): void {
    if (this.#isPaused || this.#writer.isDone) return
    this.#isPaused = true
    this.#res.pause()
  }

  // Also before the last write: what is left of the body is read then, and dropped, so that the
  // connection can carry the next request. After it the response must not be touched.
  #resume(): void {
    if (!this.#isPaused || this.#writer.isDone) return
    this.#isPaused = false
    this.#res.resume()
  }

  // ---- the end ---------------------------------------------------------------------------------------

  /** Since its head has come; to a hundredth. */
  get #elapsedMs(): number {
    return Math.round((performance.now() - this.#startedMs) * 100) / 100
  }

  get #isOver(): boolean {
    return this.#state === 'over'
  }

  #onClientGone(): void {
    if (this.#state === 'over') return
    this.#failureCode ??= 'cancelled'
    this.#invocation?.cancel()
    this.#writer.abandon()
    this.#finish()
  }

  #finish(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#collected.clear()
    this.#lingeringEnd?.cancel()
    this.#events?.stop()
    this.#stalls.delete(this)
    this.#clients.calls.delete(this.#place)
    this.#clients.onQuiet(this.#writer.mayBeUnread && this.#failureCode !== 'cancelled')
    this.#records.add({
      callId: this.#callId,
      method: this.#head.method,
      path: this.#head.path,
      function: (this.#route?.target ?? this.#refusedTarget)?.functionName,
      subject: this.#route?.principal?.subject ?? undefined,
      status: this.#failureCode === 'cancelled' ? 499 : this.#writer.status,
      code: this.#failureCode,
      durationMs: this.#elapsedMs,
      firstByteMs: this.#firstByteMs,
      requestBytes: this.#bodyBytes,
      responseBytes: this.#writer.bodyBytes,
    })
  }
}

/** The same bytes in few pieces. */
function joined(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  if (pieces.length <= 1) return pieces
  const all: Uint8Array[] = []
  let run: Uint8Array[] = []
  let runBytes = 0
  const endRun = () => {
    if (run.length > 0) all.push(run.length === 1 ? run[0]! : Buffer.concat(run, runBytes))
    run = []
    runBytes = 0
  }
  for (const piece of pieces) {
    if (runBytes + piece.length > SMALL_BYTES) endRun()
    run.push(piece)
    runBytes += piece.length
  }
  endRun()
  return all
}
