// One call of a function, from the caller's side.
//
//            ┌── BUSY, not delivered; lost, if it may be tried again
//            ▼            │
//   ────▶ queued ──▶ sent ──HEAD, ACCEPT──▶ answering
//            │        │ │                         │
//            │        │ └── cancel, clock ──▶ settling ◀── cancel, clock
//            │        │      (the slot is held until the runner says that the function has settled)
//            └────────┴──────▶ ended ◀────────────┘
//
// Only `#move` changes the state. A frame that comes late finds `ended` and is ignored.
// Who owns what: the invocation its clocks, its receive window and what it sends; the dispatcher the
// queue; the runner link the slot.

import { performance } from 'node:perf_hooks'
import { Allowance, type CreditBudget } from '../../shared/credit.js'
import { CallError, type ErrorCode } from '../../shared/errors.js'
import {
  type ErrorFrame,
  type FlatHeaders,
  FRAME,
  INITIAL_BODY_CREDIT_BYTES,
  MESSAGE_COST_BYTES,
  MESSAGE_LAST,
  MESSAGE_TEXT,
} from '../../shared/frame.js'
import { MessageSender } from '../../shared/message-sender.js'
import type { AnswerHandler, CallHead, SocketHandler } from './answer-handler.js'
import { type ClockCode, Clocks } from './clocks.js'
import type { Counters, Outcome } from './counters.js'
import { ReplyWindow } from './reply-window.js'
import { RequestBodySender } from './request-body-sender.js'
import { type RunnerLink, runnerLost } from './runner-link.js'

export type InvocationState = 'queued' | 'sent' | 'answering' | 'settling' | 'ended'

/** What an invocation asks of the dispatcher that made it. */
export interface InvocationOwner {
  readonly budget: CreditBudget
  /** Largest request body that is kept for another attempt. */
  readonly retryBodyBytes: number
  /** Whether there is room in the retry budget; takes it. */
  mayRetry(invocation: Invocation): boolean
  /** It has left the state `queued` without a runner. */
  onUnqueued(invocation: Invocation): void
  /** Its runner would not or could not take it: it is `queued` again. */
  onReturned(invocation: Invocation): void
  /** It is over here and, if a runner had it, there. Once. */
  onEnded(invocation: Invocation): void
}

export class Invocation {
  readonly head: CallHead
  readonly counters: Counters
  readonly #owner: InvocationOwner
  readonly #handler: AnswerHandler
  #state: InvocationState = 'queued'
  #runner: RunnerLink | null = null
  /** The id on the wire; another one for every runner that is tried. */
  #id = 0
  #messageNumber = 0
  #isCounted = false
  /** When the first runner that kept it had it: the total time counts from there, however many follow. */
  #startedMs: number | null = null
  #seeksSinceMs = performance.now()
  /** Runners that it was lost with. */
  #tried: readonly RunnerLink[] = NONE
  /** Why it is tried again. */
  #lostBecause: CallError | null = null
  #clocks: Clocks | null = null

  readonly #body: RequestBodySender
  /** Messages to the function, once it has accepted a WebSocket. */
  #messages: MessageSender | null = null
  #messageAllowance: Allowance | null = null
  #needsDrain = false
  /** Its handler has pieces of the body, and will hear `onFlush`. */
  #isUnflushed = false

  readonly #reply: ReplyWindow

  /** Made by `Dispatcher.start` only. `body` is kept; the caller must not change it. */
  constructor(
    owner: InvocationOwner,
    head: CallHead,
    body: Uint8Array | null,
    hasMore: boolean,
    handler: AnswerHandler,
    counters: Counters,
  ) {
    this.#owner = owner
    this.head = head
    this.#handler = handler
    this.counters = counters
    this.#reply = new ReplyWindow(owner.budget)
    const replayBytes = head.isIdempotent && head.maxAttempts > 1 ? owner.retryBodyBytes : 0
    this.#body = new RequestBodySender(owner.budget, this, body, hasMore, replayBytes)
  }

  get state(): InvocationState {
    return this.#state
  }

  get id(): number {
    return this.#id
  }

  /** Number of the message that carried the CALL. */
  get messageNumber(): number {
    return this.#messageNumber
  }

  /** Runners that it must not have again. */
  get tried(): readonly RunnerLink[] {
    return this.#tried
  }

  /** Since when it has been without a runner that works on it: one that says BUSY does not begin this anew. */
  get seeksSinceMs(): number {
    return this.#seeksSinceMs
  }

  /** What is left of its total time, in milliseconds; Infinity where it has no limit or has not begun. */
  get leftMs(): number {
    const { timeoutMs } = this.head
    if (timeoutMs === null || this.#startedMs === null) return Number.POSITIVE_INFINITY
    return Math.max(1, Math.ceil(this.#startedMs + timeoutMs - performance.now()))
  }

  get #leftMsOrNull(): number | null {
    return this.head.timeoutMs === null ? null : this.leftMs
  }

  /** True once the handler will hear nothing more. */
  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'settling'
  }

  // ---- for the one who started it ----------------------------------------------------------------

  /**
   * Adds to the request's body. `bytes` may be reused on return. False: no more until `onDrain`; what was
   * given is kept.
   */
  write(bytes: Uint8Array): boolean {
    if (this.isOver) return true
    this.#clocks?.touch()
    const isSent = this.#body.write(bytes)
    if (!isSent) this.#needsDrain = true
    return isSent
  }

  /** The request's body is complete. */
  end(): void {
    if (!this.isOver) this.#body.end()
  }

  /** Bytes of `onBody` have left. */
  consumed(bytes: number): void {
    // A client that reads slowly is no pause, though no frame may pass for as long as the kernel has enough.
    this.#clocks?.touch()
    const grantBytes = this.#reply.consume(bytes)
    if (grantBytes > 0) this.#runner?.outbox.send([FRAME.credit, this.#id, grantBytes])
  }

  /** A piece of `onMessage` has left. */
  consumedMessage(bytes: number): void {
    this.consumed(bytes + MESSAGE_COST_BYTES)
  }

  /** Bytes of messages that wait for the function to read the ones before. */
  get waitingMessageBytes(): number {
    return this.#messages?.waitingBytes ?? 0
  }

  get waitingMessages(): number {
    return this.#messages?.waitingMessages ?? 0
  }

  /** Sends a message to the function that has accepted. `bytes` may be reused on return. */
  sendMessage(bytes: Uint8Array, isText: boolean): void {
    if (this.isOver) return
    this.#clocks?.touch()
    this.#messages?.send(bytes, isText)
  }

  /** The WebSocket's client has closed, or was cut. The handler hears nothing more. */
  closeSocket(code: number, reason: string): void {
    if (this.#state !== 'answering') return this.cancel()
    this.#runner?.outbox.send([FRAME.close, this.#id, code, reason])
    this.#conclude(NORMAL_CLOSES.has(code) ? 'succeeded' : 'cancelled')
    this.#move('settling')
    this.#giveBack()
    this.#endMessages()
  }

  /**
   * The caller has lost interest. The handler hears nothing more.
   * @param outcome `succeeded` where the caller has all that it wanted
   */
  cancel(outcome: 'cancelled' | 'succeeded' = 'cancelled'): void {
    this.#giveUp('cancelled', outcome)
    // Of an answer that is complete, what the client has not read and will not.
    this.#reply.close()
  }

  /** This end is leaving: like `cancel`, but the handler hears why. */
  abort(error: CallError): void {
    if (this.isOver) return
    this.#giveUp('cancelled', 'failed')
    this.#handler.onError(error)
  }

  // ---- for the dispatcher ------------------------------------------------------------------------

  /** Sends the CALL. The link has taken a slot for it under `id`. */
  assign(runner: RunnerLink, id: number): void {
    this.#start()
    this.#startedMs ??= performance.now()
    const timeoutMs = this.#lostBecause === null ? this.head.timeoutMs : this.#leftMsOrNull
    this.#runner = runner
    this.#id = id
    const replyCreditBytes = this.#reply.open()
    const { outbox } = runner
    const { head } = this
    const { first, isWhole } = this.#body.begin(outbox, id)
    const isSent = outbox.send([
      FRAME.call,
      id,
      head.callId,
      timeoutMs,
      replyCreditBytes,
      head.method,
      head.url,
      head.params,
      head.headers,
      head.principal,
      first,
      !isWhole,
    ])
    // After `send`, which may have had to close the message before.
    this.#messageNumber = outbox.messageNumber
    this.#move('sent')
    if (!isSent) {
      this.#release()
      this.#fail(
        new CallError('payload_too_large', 'The request head is too large for the NATS server.'),
      )
      return
    }
    if (!isWhole) this.#sendWaitingBody()
    // What it was told of the body's leaving may have ended it.
    if (this.isOver) return
    const limits = timeoutMs === head.timeoutMs ? head : { ...head, timeoutMs }
    this.#clocks = new Clocks(limits, (code, limitMs) => this.#onClock(code, limitMs))
  }

  /** It has waited too long, or cannot be served at all. Only from `queued`. */
  reject(error: CallError): void {
    if (this.#state !== 'queued') return
    if (this.#lostBecause !== null) return this.#fail(this.#lostBecause)
    // It was sent to runners, and none has taken it.
    if (this.#isCounted) this.counters.unstart()
    this.counters.reject()
    this.#move('ended')
    this.#handler.onError(error)
  }

  // ---- for the runner link: frames ------------------------------------------------------------------

  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void {
    const isAllowed = this.#reply.fits(body.length)
    if (!this.#isLastFrameIn('sent')) return
    if (!isAllowed) return this.#breakProtocol()
    this.#conclude('succeeded')
    this.#move('ended')
    this.#handler.onReply(status, headers, body)
    this.#runner?.flushLater(this)
  }

  onHead(status: number, headers: FlatHeaders): void {
    if (this.isOver) return
    if (this.#state !== 'sent') return this.#breakProtocol()
    this.#beginAnswer(headers)
    this.#handler.onHead(status, headers)
  }

  onBody(bytes: Uint8Array): void {
    if (this.isOver) return
    this.#clocks?.touch()
    if (this.#messages !== null || !this.#reply.receiveBody(bytes.length)) {
      return this.#breakProtocol()
    }
    this.#handler.onBody(bytes)
    if (this.#isUnflushed) return
    this.#isUnflushed = true
    this.#runner?.flushLater(this)
  }

  /** The message that held the answer, or pieces of its body, has been read. */
  flush(): void {
    this.#isUnflushed = false
    this.#handler.onFlush()
  }

  onEnd(): void {
    this.#reply.finish()
    if (!this.#isLastFrameIn('answering')) return this.#reply.close()
    this.#conclude('succeeded')
    this.#move('ended')
    this.#handler.onEnd()
  }

  onError(frame: ErrorFrame): void {
    const [, , code, message, issues, retryAfterSeconds] = frame
    const error = new CallError(code, message, {
      ...(issues === null ? {} : { issues }),
      ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }),
    })
    if (code === 'draining') return this.onLost(error)
    // We have not: the runner has given it up by itself.
    if (code === 'cancelled' && !this.isOver) return this.onLost(runnerLost())
    this.#endWith(error)
  }

  /** The connection, which had no room for the body, has. */
  onRoom(): void {
    if (this.#runner !== null && !this.isOver) this.#sendWaitingBody()
  }

  onCredit(bytes: number): void {
    if (this.#messages !== null) return this.#onMessageCredit(this.#messages, bytes)
    if (this.isOver) return
    this.#clocks?.touch()
    this.#body.onTaken()
    this.#body.grant(bytes)
    this.#sendWaitingBody()
  }

  onAccept(protocol: string | null): void {
    if (this.isOver) return
    const socket = this.#handler.socket
    if (this.#state !== 'sent' || socket === undefined) return this.#breakProtocol()
    this.#beginAnswer(NO_HEADERS)
    this.#messageAllowance = new Allowance(INITIAL_BODY_CREDIT_BYTES)
    this.#messages = new MessageSender(this.#runner!.outbox, this.#id, this.#messageAllowance)
    socket.onAccept(protocol)
  }

  onMessage(flags: number, bytes: Uint8Array): void {
    if (this.isOver) return
    this.#clocks?.touch()
    const socket = this.#acceptedSocket
    if (socket === null || !this.#reply.receive(bytes.length + MESSAGE_COST_BYTES)) {
      return this.#breakProtocol()
    }
    socket.onMessage(bytes, (flags & MESSAGE_TEXT) !== 0, (flags & MESSAGE_LAST) !== 0)
  }

  onClose(code: number, reason: string): void {
    if (this.isOver) return
    const socket = this.#acceptedSocket
    if (socket === null) return this.#breakProtocol()
    socket.onClose(code, reason)
  }

  // ---- for the runner link: what became of the runner -------------------------------------------------

  /** The runner had no slot, or the CALL never reached it: nothing has run. */
  onNotTaken(): void {
    const isOver = this.isOver
    this.#release()
    if (isOver) return this.#move('ended')
    if (this.#state !== 'sent' || !this.#body.isReplayable) return this.#breakProtocol()
    if (this.#lostBecause === null) this.#startedMs = null
    this.#return()
  }

  /** The runner is gone, or cannot be reached, and may have begun. */
  onLost(error: CallError): void {
    if (this.#state !== 'sent' || !this.#takeRetry()) return this.#endWith(error)
    const runner = this.#runner!
    this.#release()
    this.#tried = [...this.#tried, runner]
    this.#lostBecause = error
    this.#seeksSinceMs = performance.now()
    this.counters.retry()
    this.#return()
  }

  /** The runner sent what PROTOCOL.md does not allow. Its slot comes back with its own last frame. */
  onProtocolError(): void {
    if (!this.isOver) this.#breakProtocol()
  }

  #onMessageCredit(messages: MessageSender, bytes: number): void {
    this.#clocks?.touch()
    this.#messageAllowance?.grant(bytes)
    if (!messages.resume()) return
    if (this.isOver) this.#endMessages()
    else this.#handler.onDrain()
  }

  /** The client has closed: what it had said before still reaches the function, then END. */
  #endMessages(): void {
    if (this.#messages === null || this.#messages.waitingBytes > 0) return
    this.#messages = null
    this.#runner?.outbox.send([FRAME.end, this.#id])
  }

  // ---- within -----------------------------------------------------------------------------------

  get #acceptedSocket(): SocketHandler | null {
    return this.#messages === null ? null : (this.#handler.socket ?? null)
  }

  #beginAnswer(headers: FlatHeaders): void {
    this.#body.dropKept()
    this.#clocks?.onFirstByte()
    this.#clocks?.touch()
    this.#reply.begin(headers)
    this.#move('answering')
  }

  /** The runner's last frame: gives everything back. False when there is nothing left to tell anyone. */
  #isLastFrameIn(state: InvocationState): boolean {
    const isOver = this.isOver
    const isExpected = this.#state === state
    this.#release()
    if (isOver) this.#move('ended')
    else if (!isExpected) this.#breakProtocol()
    return !isOver && isExpected
  }

  /** Whether it may have another runner; takes that out of the retry budget. */
  #takeRetry(): boolean {
    const { isIdempotent, maxAttempts } = this.head
    if (!isIdempotent || this.#tried.length + 1 >= maxAttempts) return false
    return this.#body.isReplayable && this.#owner.mayRetry(this)
  }

  /** Back to the beginning, for another runner. */
  #return(): void {
    this.#body.rewind()
    this.#runner = null
    this.#move('queued')
    this.#owner.onReturned(this)
  }

  #endWith(error: CallError): void {
    const isOver = this.isOver
    this.#release()
    if (isOver) return this.#move('ended')
    this.#fail(error)
  }

  #start(): void {
    if (this.#isCounted) return
    this.#isCounted = true
    this.counters.start()
  }

  #conclude(outcome: Outcome): void {
    this.counters.conclude(outcome)
  }

  #onClock(code: ClockCode, limitMs: number): void {
    if (this.isOver) return
    if (this.#state === 'sent' && this.#body.isSent) this.#runner?.onUnanswered()
    this.#giveUp(code, 'timedOut')
    const declaredMs = code === 'timed_out' ? this.head.timeoutMs : limitMs
    this.#handler.onError(new CallError(code, `${CLOCK_SENTENCES[code]} ${declaredMs} ms.`))
  }

  /** Out of the queue, or: tells the runner to stop, and keeps the slot until it has. */
  #giveUp(code: ErrorCode, outcome: Outcome): void {
    if (this.isOver) return
    this.#start()
    this.#conclude(outcome)
    if (this.#state === 'queued') {
      this.#move('ended')
      this.#owner.onUnqueued(this)
      return
    }
    this.#runner?.outbox.send([FRAME.cancel, this.#id, code])
    this.#move('settling')
    this.#dropAll()
  }

  #breakProtocol(): void {
    const error = protocolError()
    this.#runner?.isolate('it sent a frame that the state or the credit of its call does not allow')
    if (!this.#runner?.holds(this.#id)) return this.#fail(error)
    this.#giveUp('protocol_error', 'failed')
    this.#handler.onError(error)
  }

  #fail(error: CallError): void {
    this.#conclude(outcomeOf(error))
    this.#move('ended')
    this.#handler.onError(error)
  }

  /** Gives back the slot, the credit and the clocks: the runner has nothing more to do with it. */
  #release(): void {
    this.#giveBack()
    this.#runner?.release(this.#id)
  }

  #giveBack(): void {
    this.#clocks?.stop()
    this.#clocks = null
    this.#reply.release()
  }

  #dropAll(): void {
    this.#giveBack()
    this.#body.drop()
    this.#messages?.drop()
  }

  #sendWaitingBody(): void {
    if (!this.#body.sendWaiting() || !this.#needsDrain) return
    this.#needsDrain = false
    this.#handler.onDrain()
  }

  #move(state: InvocationState): void {
    const before = this.#state
    this.#state = state
    if (state !== 'ended' || before === 'ended') return
    this.#body.drop()
    this.#messages?.drop()
    this.#owner.onEnded(this)
  }
}

const NONE: readonly RunnerLink[] = []
const NO_HEADERS: FlatHeaders = []

/** Closes by which a client says that all is well: normal, going away, no code at all. */
const NORMAL_CLOSES = new Set([1000, 1001, 1005])

const CLOCK_SENTENCES: Record<ClockCode, string> = {
  timed_out: 'The call took longer than its',
  first_byte_timed_out: 'The answer did not begin within',
  idle_timed_out: 'Nothing went either way for',
}

function protocolError(): CallError {
  return new CallError('protocol_error', 'The runner broke the wire protocol.')
}

function outcomeOf(error: CallError): Outcome {
  switch (error.code) {
    case 'timed_out':
    case 'first_byte_timed_out':
    case 'idle_timed_out':
      return 'timedOut'
    case 'cancelled':
      return 'cancelled'
    default:
      return 'failed'
  }
}
