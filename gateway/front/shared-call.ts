// One invocation, started by the first request with its Idempotency-Key, whose answer goes to everybody who
// comes with the key meanwhile. The function goes on as long as anybody waits for it.
//
//   running ──HEAD──▶ streaming ──▶ over
//      └── REPLY, ERROR, all have left ──▶ over

import { CallError } from '../../shared/errors.js'
import type { FlatHeaders } from '../../shared/frame.js'
import type { AnswerHandler } from '../dispatch/answer-handler.js'
import type { Invocation } from '../dispatch/invocation.js'
import type { CallHandle } from './call-handle.js'
import { type KeptAnswer, Repeat } from './repeat.js'
import type { RequestFingerprint } from './request-fingerprint.js'

export class SharedCall implements AnswerHandler {
  readonly #request: RequestFingerprint
  readonly #first: AnswerHandler
  readonly #onOver: (answer: KeptAnswer | null) => void
  readonly #repeats = new Set<Repeat>()
  #invocation: Invocation | null = null
  #state: 'running' | 'streaming' | 'over' = 'running'
  #hasFirst = true

  /** @param onOver whoever comes from now on is none of ours; called once */
  constructor(
    request: RequestFingerprint,
    first: AnswerHandler,
    onOver: (answer: KeptAnswer | null) => void,
  ) {
    this.#request = request
    this.#first = first
    this.#onOver = onOver
  }

  begin(invocation: Invocation): CallHandle {
    this.#invocation = invocation
    return {
      write: (bytes) => {
        this.#request.write(bytes)
        return invocation.write(bytes)
      },
      end: () => {
        this.#request.end()
        invocation.end()
        for (const repeat of [...this.#repeats]) repeat.proceed()
      },
      consumed: (bytes) => invocation.consumed(bytes),
      cancel: (outcome) => this.#onFirstGone(outcome),
      abort: (error) => invocation.abort(error),
      get isOver() {
        return invocation.isOver
      },
    }
  }

  /** Another request with the key. */
  join(request: RequestFingerprint, handler: AnswerHandler): CallHandle {
    const repeat = new Repeat(request, this.#request, handler, (repeat) => {
      this.#repeats.delete(repeat)
      this.#leave()
    })
    this.#repeats.add(repeat)
    if (this.#state === 'streaming') repeat.fail(streamedKey())
    else repeat.proceed()
    return repeat
  }

  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void {
    const answer = { request: this.#request, status, headers, body: Uint8Array.from(body) }
    this.#end(answer)
    if (this.#hasFirst) this.#first.onReply(status, headers, body)
    for (const repeat of [...this.#repeats]) repeat.onAnswer(answer)
  }

  onHead(status: number, headers: FlatHeaders): void {
    this.#state = 'streaming'
    this.#refuseRepeats(streamedKey())
    if (this.#hasFirst) return this.#first.onHead(status, headers)
    // Nobody is left who may have it: after this nothing more is heard of the invocation.
    this.#leave()
  }

  onBody(bytes: Uint8Array): void {
    this.#first.onBody(bytes)
  }

  onFlush(): void {
    this.#first.onFlush()
  }

  onEnd(): void {
    this.#end(null)
    this.#first.onEnd()
  }

  onError(error: CallError): void {
    this.#end(null)
    if (this.#hasFirst) this.#first.onError(error)
    this.#refuseRepeats(error)
  }

  onDrain(): void {
    if (this.#hasFirst) this.#first.onDrain()
  }

  #refuseRepeats(error: CallError): void {
    for (const repeat of [...this.#repeats]) repeat.fail(error)
  }

  #onFirstGone(outcome?: 'cancelled' | 'succeeded'): void {
    this.#hasFirst = false
    if (this.#request.isWhole || this.#state === 'over') return this.#leave(outcome)
    // The rest of the body is gone with it, and nobody else's was kept.
    this.#end(null)
    this.#invocation?.cancel(outcome)
    this.#refuseRepeats(brokenOff())
  }

  #leave(outcome?: 'cancelled' | 'succeeded'): void {
    if (this.#hasFirst || this.#repeats.size > 0) return
    this.#end(null)
    this.#invocation?.cancel(outcome)
  }

  /** The first time counts: who has an answer may still leave before all of it has been read. */
  #end(answer: KeptAnswer | null): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#onOver(answer)
  }
}

function streamedKey(): CallError {
  return new CallError(
    'conflict',
    'A request with this Idempotency-Key is at work already, and its answer is a stream, which cannot be shared.',
  )
}

function brokenOff(): CallError {
  return new CallError(
    'conflict',
    'The request that came first with this Idempotency-Key broke off before its body was complete. Send this one again.',
  )
}
