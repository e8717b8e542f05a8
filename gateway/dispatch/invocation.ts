// One call of a function, from the caller's side: its state, its two bodies and its clock.
//
//            ┌──────── BUSY, not delivered ───────┐
//            ▼                                    │
//   ────▶ queued ──▶ sent ──HEAD──▶ answering     │
//            │        │ │               │         │
//            │        │ └── cancel ──▶ settling ◀─┤ (cancel, time is up: the slot is held
//            │        │                 │         │  until the runner says that it has settled)
//            └────────┴──────▶ ended ◀──┴─────────┘
//
// Only `#move` changes the state. A frame that comes late finds `ended` and is ignored.
// Who owns what: the invocation its timer, its receive window and its copy of the body's beginning;
// the dispatcher the queue; the runner link the slot.

import { Allowance, type CreditBudget, ReceiveWindow } from '../../shared/credit.js'
import { CallError } from '../../shared/errors.js'
import {
  type ErrorFrame,
  type FlatHeaders,
  FRAME,
  INITIAL_BODY_CREDIT_BYTES,
} from '../../shared/frame.js'
import type { AnswerHandler, CallHead } from './answer-handler.js'
import type { Counters, Outcome } from './counters.js'
import type { RunnerLink } from './runner-link.js'

/** Response bytes without a grant: most answers fit, and a thousand streams hold half of the default budget. */
const INITIAL_REPLY_CREDIT_BYTES = 16 * 1024
/** What an invocation is granted even when the budget is spent, so that it goes on. */
const LEAST_REPLY_CREDIT_BYTES = 4 * 1024
/** Largest receive window: about three round trips of a loaded machine at 0.5 GB/s. */
const MAX_REPLY_WINDOW_BYTES = 2 * 1024 * 1024
const REPLY_LIMITS = { leastBytes: LEAST_REPLY_CREDIT_BYTES, maxBytes: MAX_REPLY_WINDOW_BYTES }

export type InvocationState = 'queued' | 'sent' | 'answering' | 'settling' | 'ended'

/** What an invocation asks of the dispatcher that made it. */
export interface InvocationOwner {
  readonly budget: CreditBudget
  /** It has left the state `queued` without a runner. */
  onUnqueued(invocation: Invocation): void
  /** Its runner would not or could not take it: it is `queued` again. */
  onReturned(invocation: Invocation): void
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
  #timer: NodeJS.Timeout | null = null

  // The request's body. `#kept` is what was sent and may have to be sent again, to another runner;
  // `#pending` is what the credit does not cover yet.
  #kept: Uint8Array[] = []
  #isKeeping = true
  #pending: Uint8Array[] = []
  #hasEnded: boolean
  #isEndSent = false
  #needsDrain = false
  readonly #allowance = new Allowance(0)

  // The response's body.
  #replyCreditBytes = 0
  #isReplyCreditHeld = false
  #window: ReceiveWindow | null = null

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
    this.#hasEnded = !hasMore
    if (body !== null && body.length > 0) this.#pending.push(body)
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
    if (this.isOver || this.#hasEnded) return true
    if (this.#pending.length === 0 && this.#runner !== null) {
      const sent = this.#sendBody(bytes)
      if (sent === bytes.length) return true
      bytes = bytes.subarray(sent)
    }
    this.#pending.push(bytes.slice())
    this.#needsDrain = true
    return false
  }

  /** The request's body is complete. */
  end(): void {
    if (this.isOver || this.#hasEnded) return
    this.#hasEnded = true
    this.#sendEnd()
  }

  /** Bytes of `onBody` have left. */
  consumed(bytes: number): void {
    const grantBytes = this.#window?.consume(bytes) ?? 0
    if (grantBytes > 0) this.#runner?.outbox.send([FRAME.credit, this.#id, grantBytes])
  }

  /** The caller has lost interest. The handler hears nothing more. */
  cancel(): void {
    if (this.isOver) return
    const isQueued = this.#state === 'queued'
    if (isQueued) this.#start()
    this.#conclude('cancelled')
    if (isQueued) {
      this.#move('ended')
      this.#owner.onUnqueued(this)
    } else this.#settle('cancelled')
  }

  // ---- for the dispatcher ------------------------------------------------------------------------

  /** Sends the CALL. The link has taken a slot for it under `id`. */
  assign(runner: RunnerLink, id: number): void {
    this.#start()
    this.#runner = runner
    this.#id = id
    this.#isEndSent = false
    this.#replyCreditBytes = this.#owner.budget.reserve(
      INITIAL_REPLY_CREDIT_BYTES,
      LEAST_REPLY_CREDIT_BYTES,
    )
    this.#isReplyCreditHeld = true
    this.#allowance.grant(INITIAL_BODY_CREDIT_BYTES - this.#allowance.bytes)
    const body = this.#takeFirstBody()
    const isWhole = this.#hasEnded && this.#pending.length === 0
    this.#isEndSent = isWhole
    const { head } = this
    this.#messageNumber = runner.outbox.messageNumber
    const isSent = runner.outbox.send([
      FRAME.call,
      id,
      head.callId,
      head.timeoutMs,
      this.#replyCreditBytes,
      head.method,
      head.url,
      head.params,
      head.headers,
      head.principal,
      body,
      !isWhole,
    ])
    this.#move('sent')
    if (!isSent) {
      this.#release()
      this.#fail(
        new CallError('payload_too_large', 'The request head is too large for the NATS server.'),
      )
      return
    }
    if (!isWhole) this.#sendPending()
    if (head.timeoutMs !== null) this.#timer = setTimeout(() => this.#onDeadline(), head.timeoutMs)
  }

  /** It has waited too long, or cannot be served at all. Only from `queued`. */
  reject(error: CallError): void {
    if (this.#state !== 'queued') return
    if (this.#isCounted) this.#conclude('failed')
    else this.counters.reject()
    this.#move('ended')
    this.#handler.onError(error)
  }

  // ---- for the runner link -----------------------------------------------------------------------

  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void {
    const isOver = this.isOver
    this.#release()
    if (isOver) return this.#move('ended')
    if (this.#state !== 'sent' || body.length > this.#replyCreditBytes) return this.#breakProtocol()
    this.#conclude('succeeded')
    this.#move('ended')
    this.#handler.onReply(status, headers, body)
  }

  onHead(status: number, headers: FlatHeaders): void {
    if (this.isOver) return
    if (this.#state !== 'sent') return this.#breakProtocol()
    this.#dropKept()
    this.#window = new ReceiveWindow(this.#owner.budget, this.#replyCreditBytes, REPLY_LIMITS)
    this.#isReplyCreditHeld = false
    this.#move('answering')
    this.#handler.onHead(status, headers)
  }

  onBody(bytes: Uint8Array): void {
    if (this.isOver) return
    if (this.#state !== 'answering' || !this.#window?.receive(bytes.length)) {
      return this.#breakProtocol()
    }
    this.#handler.onBody(bytes)
  }

  onEnd(): void {
    const isOver = this.isOver
    this.#release()
    if (isOver) return this.#move('ended')
    if (this.#state !== 'answering') return this.#breakProtocol()
    this.#conclude('succeeded')
    this.#move('ended')
    this.#handler.onEnd()
  }

  onError(frame: ErrorFrame): void {
    const [, , code, message, issues, retryAfterSeconds] = frame
    const isOver = this.isOver
    this.#release()
    if (isOver) return this.#move('ended')
    this.#fail(
      new CallError(code, message, {
        ...(issues === null ? {} : { issues }),
        ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }),
      }),
    )
  }

  onCredit(bytes: number): void {
    if (this.isOver) return
    this.#dropKept()
    this.#allowance.grant(bytes)
    this.#sendPending()
  }

  /** The runner had no slot, or the CALL never reached it: nothing has run. */
  onNotTaken(): void {
    const isOver = this.isOver
    this.#release()
    if (isOver) return this.#move('ended')
    if (this.#state !== 'sent' || !this.#isKeeping) return this.#breakProtocol()
    if (this.#kept.length > 0) {
      this.#pending.unshift(...this.#kept)
      this.#dropKept()
      this.#isKeeping = true
    }
    this.#runner = null
    this.#move('queued')
    this.#owner.onReturned(this)
  }

  /** The runner is gone, and may have begun. */
  onRunnerLost(): void {
    const isOver = this.isOver
    this.#release()
    if (isOver) return this.#move('ended')
    this.#fail(
      new CallError('runner_lost', 'The runner of this call was lost. Try again if that is safe.'),
    )
  }

  /** The runner sent what PROTOCOL.md does not allow. */
  onProtocolError(): void {
    const isOver = this.isOver
    this.#release()
    if (isOver) return this.#move('ended')
    this.#breakProtocol()
  }

  // ---- within -----------------------------------------------------------------------------------

  #start(): void {
    if (this.#isCounted) return
    this.#isCounted = true
    this.counters.start()
  }

  #conclude(outcome: Outcome): void {
    this.counters.conclude(outcome)
  }

  #onDeadline(): void {
    this.#timer = null
    if (this.isOver) return
    this.#conclude('timedOut')
    this.#settle('timed_out')
    this.#handler.onError(
      new CallError('timed_out', `The call took longer than its ${this.head.timeoutMs} ms.`),
    )
  }

  /** Tells the runner to stop, and keeps the slot until it has. */
  #settle(code: 'cancelled' | 'timed_out' | 'protocol_error'): void {
    this.#runner?.outbox.send([FRAME.cancel, this.#id, code])
    this.#move('settling')
    this.#dropBodies()
  }

  #breakProtocol(): void {
    const runner = this.#runner
    const error = new CallError('protocol_error', 'The runner broke the wire protocol.')
    if (runner?.holds(this.#id)) {
      this.#conclude('failed')
      this.#settle('protocol_error')
      this.#handler.onError(error)
    } else this.#fail(error)
  }

  #fail(error: CallError): void {
    this.#conclude(outcomeOf(error))
    this.#move('ended')
    this.#handler.onError(error)
  }

  /** Gives back the slot, the credit and the clock: the runner has nothing more to do with it. */
  #release(): void {
    this.#dropBodies()
    this.#runner?.release(this.#id)
  }

  #dropBodies(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#isReplyCreditHeld) this.#owner.budget.give(this.#replyCreditBytes)
    this.#isReplyCreditHeld = false
    this.#window?.close()
    this.#window = null
    if (this.isOver) {
      this.#dropKept()
      this.#pending = []
    }
  }

  #move(state: InvocationState): void {
    this.#state = state
  }

  // ---- the request's body --------------------------------------------------------------------------

  /** What goes into the CALL itself: everything that is there, within the initial credit and one chunk. */
  #takeFirstBody(): Uint8Array | null {
    const first = this.#pending[0]
    if (first === undefined) return null
    const limit = Math.min(this.#allowance.bytes, this.#runner!.outbox.maxChunkBytes)
    if (first.length > limit) return null
    this.#pending.shift()
    this.#allowance.take(first.length)
    if (this.#isKeeping) this.#kept.push(first)
    return first
  }

  #sendPending(): void {
    while (this.#pending.length > 0) {
      const bytes = this.#pending[0]!
      const sent = this.#sendBody(bytes)
      if (sent < bytes.length) {
        this.#pending[0] = bytes.subarray(sent)
        return
      }
      this.#pending.shift()
    }
    this.#sendEnd()
    if (this.#needsDrain) {
      this.#needsDrain = false
      this.#handler.onDrain()
    }
  }

  /** Sends as much as the credit covers; returns how much that was. */
  #sendBody(bytes: Uint8Array): number {
    const runner = this.#runner!
    const allowed = this.#allowance.take(bytes.length)
    const chunkBytes = runner.outbox.maxChunkBytes
    for (let at = 0; at < allowed; at += chunkBytes) {
      runner.outbox.sendBody(this.#id, bytes.subarray(at, Math.min(at + chunkBytes, allowed)))
    }
    if (this.#isKeeping && allowed > 0) this.#kept.push(bytes.slice(0, allowed))
    return allowed
  }

  #sendEnd(): void {
    if (!this.#hasEnded || this.#isEndSent || this.#pending.length > 0 || this.#runner === null)
      return
    this.#isEndSent = true
    this.#runner.outbox.send([FRAME.end, this.#id])
  }

  /** From here on another runner cannot be tried. */
  #dropKept(): void {
    this.#isKeeping = false
    this.#kept = []
  }
}

function outcomeOf(error: CallError): Outcome {
  if (error.code === 'timed_out') return 'timedOut'
  return error.code === 'cancelled' ? 'cancelled' : 'failed'
}
