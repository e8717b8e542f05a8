// One invocation in its runner, from the CALL to the last frame. Owns the slot's hold, the deadline and
// the grace period; all of them end in `#settle`, which runs once, when the function has settled.

import type { Logger } from 'pino'
import type { CreditBudget } from '../shared/credit.js'
import { type Deadline, deadlines, type Limited } from '../shared/deadlines.js'
import {
  CallError,
  type ErrorCode,
  errorMeaning,
  isRetryAfter,
  isThrowableCode,
} from '../shared/errors.js'
import { type CallFrame, type ErrorFrame, FRAME } from '../shared/frame.js'
import type { Outbox } from '../shared/outbox.js'
import { RunnerCallContext } from './call-context.js'
import type { DefinedFunction, PublicError } from './define-function.js'
import { serveFetch } from './fetch-form.js'
import { FunctionSocket } from './function-socket.js'
import { toInputIssues } from './input-issues.js'
import { logThrown } from './log-thrown.js'
import { Reply } from './reply.js'
import { RequestBody } from './request-body.js'
import { serveRun } from './run-form.js'
import { RunnerError } from './runner-error.js'
import type { SlotHold } from './slots.js'
import { offeredProtocols, serveSocket } from './socket-form.js'

export interface CallEnvironment {
  readonly definition: DefinedFunction
  readonly model: unknown
  readonly log: Logger
  readonly budget: CreditBudget
  readonly maxBodyBytes: number | null
  readonly maxMessageBytes: number
  /** How long a cancelled call may take to settle before its slot is poisoned, in milliseconds. */
  readonly cancelGraceMs: number
}

export class RunnerCall implements Limited {
  readonly #environment: CallEnvironment
  readonly #frame: CallFrame
  readonly #outbox: Outbox
  readonly #hold: SlotHold
  readonly #onEnded: () => void
  readonly #context: RunnerCallContext<unknown>
  readonly #body: RequestBody
  readonly #deadline: Deadline | null
  readonly #reply: Reply
  /** Of a call that is a WebSocket. */
  readonly #socket: FunctionSocket | null
  #grace: NodeJS.Timeout | null = null
  #hasEnded = false

  /** @param onEnded called once, after the last frame has been sent */
  constructor(
    environment: CallEnvironment,
    frame: CallFrame,
    outbox: Outbox,
    hold: SlotHold,
    onEnded: () => void,
  ) {
    const [, id, , timeoutMs, replyCreditBytes, , , , , , body, hasMore] = frame
    this.#environment = environment
    this.#frame = frame
    this.#outbox = outbox
    this.#hold = hold
    this.#onEnded = onEnded
    this.#context = new RunnerCallContext(frame, environment.model, environment.log, Date.now())
    this.#reply = new Reply(outbox, id, replyCreditBytes)
    this.#body = new RequestBody(
      {
        budget: environment.budget,
        grant: (bytes) => outbox.send([FRAME.credit, id, bytes]),
        maxBytes: environment.maxBodyBytes,
      },
      body,
      hasMore,
    )
    this.#socket = environment.definition.socket === undefined ? null : this.#openSocket(frame)
    if (!this.#body.isAllowed) this.#breakProtocol()
    this.#deadline = timeoutMs === null ? null : deadlines.set(this, timeoutMs)
  }

  get callId(): string {
    return this.#context.callId
  }

  get isSocket(): boolean {
    return this.#socket !== null
  }

  /** Runs the function. Never rejects. */
  async run(): Promise<void> {
    let failure: { readonly error: unknown } | null = null
    try {
      await this.#serve()
    } catch (error) {
      failure = { error }
    }
    this.#settle(failure)
  }

  onBody(bytes: Uint8Array): void {
    if (!this.#body.receive(bytes)) this.#breakProtocol()
  }

  onEnd(): void {
    if (this.#socket !== null) this.#socket.onEnd()
    else if (!this.#body.end()) this.#breakProtocol()
  }

  onCredit(bytes: number): void {
    if (this.#socket === null) this.#reply.grant(bytes)
    else this.#socket.onCredit(bytes)
  }

  onMessage(flags: number, bytes: Uint8Array): void {
    if (!this.#socket?.onMessage(flags, bytes)) this.#breakProtocol()
  }

  /** The client of a WebSocket has closed it, or was cut. */
  onClose(code: number, reason: string): void {
    this.#socket?.onClose(code, reason)
    this.abort('cancelled')
  }

  onDeadline(): void {
    this.abort('timed_out')
  }

  /** The caller has lost interest, or time is up: the signal fires, reads and writes fail. */
  abort(code: ErrorCode): void {
    if (this.#context.abortReason !== null) return
    const reason = new CallError(code, ABORT_MESSAGES[code] ?? 'The call was given up.')
    this.#context.abort(reason)
    this.#body.fail(reason)
    this.#reply.fail(reason)
    // A client that has closed ends the iteration; anything else breaks it.
    if (this.#socket !== null && this.#socket.closeCode === null) this.#socket.fail(reason)
    this.#grace = setTimeout(() => this.#onGraceOver(), this.#environment.cancelGraceMs)
  }

  #serve(): Promise<void> {
    const { definition } = this.#environment
    if (definition.socket !== undefined) {
      // Over NATS anybody can call anything; a gateway's routes lead nothing but handshakes here.
      if (this.#frame[5] === 'WS') return serveSocket(definition, this.#context, this.#socket!)
      return Promise.reject(new RunnerError('upgrade_required', 'It takes WebSockets only.'))
    }
    if (definition.run !== undefined) {
      return serveRun(definition, this.#context, this.#body, this.#reply)
    }
    const hasBody = this.#frame[10] !== null || this.#frame[11]
    return serveFetch(definition, this.#context, this.#body, hasBody, this.#reply)
  }

  #openSocket(frame: CallFrame): FunctionSocket {
    const { budget, maxMessageBytes } = this.#environment
    return new FunctionSocket({
      outbox: this.#outbox,
      id: frame[1],
      replyCreditBytes: frame[4],
      budget,
      maxMessageBytes,
      protocols: offeredProtocols(this.#context.header('sec-websocket-protocol')),
    })
  }

  #settle(failure: { readonly error: unknown } | null): void {
    this.#deadline?.clear()
    if (this.#grace !== null) clearTimeout(this.#grace)
    try {
      this.#body.fail(SETTLED)
      this.#socket?.dispose()
      if (failure !== null) this.#end(failure.error)
      else this.#end()
    } finally {
      this.#hold.release()
    }
  }

  /** The last frame, once: when the function has settled, or when nobody knows whether it ever will. */
  #end(...error: [] | [unknown]): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#reply.sendGathered()
    if (error.length > 0) this.#sendError(error[0])
    this.#onEnded()
  }

  #sendError(error: unknown): void {
    let frame = functionFailed(this.#frame[1])
    try {
      frame = this.#errorFrame(error)
    } catch {
      // What was thrown may throw again, when it is looked at or when the log writes it.
      logThrown(this.#context.log, error, 'function failed')
    }
    if (this.#outbox.send(frame)) return
    const [type, id, code, , , retryAfterSeconds] = frame
    const message = 'The reason is too long to be sent.'
    this.#outbox.send([type, id, code, message, null, retryAfterSeconds])
  }

  // The order of the questions matters: a function that is cancelled throws whatever it likes.
  #errorFrame(error: unknown): ErrorFrame {
    const id = this.#frame[1]
    const { abortReason } = this.#context
    if (abortReason instanceof CallError) {
      const { code, message } = abortReason
      return [FRAME.error, id, code, message, null, retryAfterOf(code)]
    }
    if (error instanceof RunnerError) {
      if (error.code === 'function_failed') logThrown(this.#context.log, error, 'function failed')
      const { code, message, issues } = error
      return [FRAME.error, id, code, message, issues ?? null, retryAfterOf(code)]
    }
    if (isPublicError(error)) {
      this.#context.log.info({ code: error.code, err: error }, 'function refused')
      const { code, message, issues, retryAfterSeconds } = error
      const retryAfter = retryAfterOf(code, retryAfterSeconds)
      return [FRAME.error, id, code, String(message), toInputIssues(issues), retryAfter]
    }
    this.#context.log.error({ err: error }, 'function failed')
    return functionFailed(id)
  }

  #onGraceOver(): void {
    this.#context.log.error(
      { graceMs: this.#environment.cancelGraceMs },
      'call did not settle after it was given up: its slot is out of use until it does. Pass `signal` on to whatever the function waits for.',
    )
    this.#end(this.#context.abortReason)
    // Nothing more comes after the last frame: a socket that still waits for messages waits in vain.
    this.#socket?.fail(this.#context.abortReason ?? SETTLED)
    this.#hold.poison()
  }

  #breakProtocol(): void {
    this.#context.log.error('the caller broke the wire protocol')
    this.abort('protocol_error')
  }
}

function functionFailed(id: number): ErrorFrame {
  const message = 'The function failed; its log has the reason.'
  return [FRAME.error, id, 'function_failed', message, null, null]
}

/** What is a 503 always says when to come back. */
function retryAfterOf(code: ErrorCode, seconds?: unknown): number | null {
  if (isRetryAfter(seconds)) return seconds
  return errorMeaning[code].status === 503 ? 1 : null
}

const SETTLED = new Error('The call has ended.')

const ABORT_MESSAGES: Partial<Record<ErrorCode, string>> = {
  cancelled: 'The client has left.',
  timed_out: 'The call took longer than the function allows.',
  draining: 'The runner was stopped.',
  protocol_error: 'The caller broke the wire protocol.',
}

/** By its marks, not by its class: a function's file may have its own copy of this package. */
function isPublicError(error: unknown): error is PublicError {
  return (
    error instanceof Error &&
    error.name === 'PublicError' &&
    isThrowableCode((error as { code?: unknown }).code)
  )
}
