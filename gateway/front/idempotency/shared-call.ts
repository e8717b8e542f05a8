// One invocation, started by the first request with its Idempotency-Key, whose answer goes to everybody who
// comes with the key meanwhile. The function goes on as long as anybody waits for it.
//
//      ┌──HEAD──▶ streaming ──────END, ERROR, its client has left──▶ over
//   running ──HEAD of known length──▶ collecting ──END, ERROR──▶ over
//      └──REPLY, ERROR, all have left──▶ over
//
// What streams is the first client's alone. What is collected is everybody's: it is taken as fast as the
// function gives it, whatever the first client does, and to the end even when all have left, because the
// function has done its work and they will come again for it.

import { CallError } from '../../../shared/errors.js'
import { headerValue } from '../../../shared/flat-headers.js'
import type { FlatHeaders } from '../../../shared/frame.js'
import type { AnswerHandler } from '../../dispatch/answer-handler.js'
import type { Invocation } from '../../dispatch/invocation.js'
import { AnswerReader } from './answer-reader.js'
import type { CallHandle } from './call-handle.js'
import { KeptAnswer } from './kept-answer.js'
import type { KeptAnswers } from './kept-answers.js'
import { Repeat } from './repeat.js'
import type { RequestFingerprint } from './request-fingerprint.js'

export class SharedCall implements AnswerHandler {
  readonly #request: RequestFingerprint
  readonly #first: AnswerHandler
  readonly #answers: KeptAnswers
  readonly #onOver: (answer: KeptAnswer | null) => void
  readonly #repeats = new Set<Repeat>()
  #invocation: Invocation | null = null
  #state: 'running' | 'streaming' | 'collecting' | 'over' = 'running'
  #hasFirst = true
  /** What is collected, and how far the first client has read it. */
  #answer: KeptAnswer | null = null
  #reader: AnswerReader | null = null

  /** @param onOver whoever comes from now on is none of ours; called once, with an answer that may be kept */
  constructor(
    request: RequestFingerprint,
    first: AnswerHandler,
    answers: KeptAnswers,
    onOver: (answer: KeptAnswer | null) => void,
  ) {
    this.#request = request
    this.#first = first
    this.#answers = answers
    this.#onOver = onOver
  }

  begin(invocation: Invocation): CallHandle {
    this.#invocation = invocation
    const isOver = () => (this.#reader ?? invocation).isOver
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
      consumed: (bytes) => (this.#reader ?? invocation).consumed(bytes),
      cancel: (outcome) => this.#onFirstGone(outcome),
      abort: (error) => {
        invocation.abort(error)
        this.#reader?.fail(error)
      },
      get isOver() {
        return isOver()
      },
    }
  }

  /**
   * Another request with the key.
   * @param onAnswered it waits no more, for whatever reason
   */
  join(request: RequestFingerprint, handler: AnswerHandler, onAnswered: () => void): CallHandle {
    const repeat = new Repeat(request, this.#request, handler, (repeat) => {
      onAnswered()
      this.#repeats.delete(repeat)
      this.#leave()
    })
    this.#repeats.add(repeat)
    if (this.#state === 'streaming') repeat.fail(unshared())
    else repeat.proceed()
    return repeat
  }

  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void {
    const kept = this.#answers.make(this.#request, status, headers, body.length)
    // Who waits has it even where there is no room to keep it.
    const answer = kept ?? new KeptAnswer(this.#request, status, headers, body.length)
    answer.add(body)
    this.#end(kept)
    if (this.#hasFirst) this.#first.onReply(status, headers, body)
    this.#answerRepeats(answer)
    answer.release()
  }

  onHead(status: number, headers: FlatHeaders): void {
    const bodyBytes = lengthIn(headers)
    if (bodyBytes !== null) {
      this.#answer = this.#answers.make(this.#request, status, headers, bodyBytes)
    }
    if (this.#answer !== null) return this.#collect(this.#answer)
    this.#state = 'streaming'
    this.#refuseRepeats(unshared())
    if (this.#hasFirst) return this.#first.onHead(status, headers)
    // Nobody is left who may have it: after this nothing more is heard of the invocation.
    this.#leave()
  }

  onBody(bytes: Uint8Array): void {
    if (this.#answer === null) return this.#first.onBody(bytes)
    this.#answer.add(bytes)
    this.#invocation?.consumed(bytes.length)
  }

  onFlush(): void {
    if (this.#reader !== null) this.#reader.proceed()
    else if (this.#hasFirst) this.#first.onFlush()
  }

  onEnd(): void {
    const answer = this.#answer
    if (answer === null) {
      this.#end(null)
      return this.#first.onEnd()
    }
    if (!answer.isWhole) return this.onError(tooShort())
    this.#end(answer)
    this.#reader?.proceed()
    this.#answerRepeats(answer)
    answer.release()
  }

  onError(error: CallError): void {
    this.#end(null)
    if (this.#reader !== null) this.#reader.fail(error)
    else if (this.#hasFirst) this.#first.onError(error)
    this.#refuseRepeats(error)
  }

  onDrain(): void {
    if (this.#hasFirst) this.#first.onDrain()
  }

  #collect(answer: KeptAnswer): void {
    this.#state = 'collecting'
    if (!this.#hasFirst) return
    this.#reader = new AnswerReader(answer, this.#first)
    this.#reader.begin()
  }

  #answerRepeats(answer: KeptAnswer): void {
    for (const repeat of [...this.#repeats]) repeat.onAnswer(answer)
  }

  #refuseRepeats(error: CallError): void {
    for (const repeat of [...this.#repeats]) repeat.fail(error)
  }

  #onFirstGone(outcome?: 'cancelled' | 'succeeded'): void {
    this.#hasFirst = false
    this.#reader?.cancel()
    // What it has not read of a stream that has ended is given back.
    if (this.#state === 'over') return this.#invocation?.cancel(outcome)
    if (this.#request.isWhole) return this.#leave(outcome)
    // The rest of the body is gone with it, and nobody else's was kept.
    this.#end(null)
    this.#invocation?.cancel(outcome)
    this.#refuseRepeats(brokenOff())
  }

  #leave(outcome?: 'cancelled' | 'succeeded'): void {
    if (this.#state === 'collecting' || this.#state === 'over') return
    if (this.#hasFirst || this.#repeats.size > 0) return
    this.#end(null)
    this.#invocation?.cancel(outcome)
  }

  /** The first time counts: who has an answer may still leave before all of it has been read. */
  #end(answer: KeptAnswer | null): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#onOver(answer)
    if (answer === null) this.#answer?.release()
    this.#answer = null
  }
}

/** Of a body whose length is known before it has come. */
function lengthIn(headers: FlatHeaders): number | null {
  const text = headerValue(headers, 'content-length')
  return text !== null && /^[0-9]{1,15}$/.test(text) ? Number(text) : null
}

function unshared(): CallError {
  return new CallError(
    'conflict',
    'A request with this Idempotency-Key is at work already, and its answer cannot be shared: it is a stream, or too large.',
  )
}

function tooShort(): CallError {
  return new CallError('protocol_error', 'The answer is shorter than its content-length.')
}

function brokenOff(): CallError {
  return new CallError(
    'conflict',
    'The request that came first with this Idempotency-Key broke off before its body was complete. Send this one again.',
  )
}
