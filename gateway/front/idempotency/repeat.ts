// A request whose Idempotency-Key is known already. It runs nothing: its body is read to be compared, and
// not kept, and then it has the answer of the first request with the key, as soon as there is one.
//
//   waiting ──its body is read, and the answer there──▶ answered
//      └── it is another request, or failed, or its client left ──▶ answered

import { CallError } from '../../../shared/errors.js'
import type { AnswerHandler } from '../../dispatch/answer-handler.js'
import { AnswerReader } from './answer-reader.js'
import type { CallHandle } from './call-handle.js'
import type { KeptAnswer } from './kept-answer.js'
import type { RequestFingerprint } from './request-fingerprint.js'

/** Answers up to here are written at once, as a runner's whole answers are. */
const WHOLE_BYTES = 16 * 1024
const REPLAYED = ['idempotent-replayed', 'true'] as const

export class Repeat implements CallHandle {
  readonly #request: RequestFingerprint
  readonly #original: RequestFingerprint
  readonly #handler: AnswerHandler
  readonly #onAnswered: (repeat: Repeat) => void
  #isAnswered = false
  #answer: KeptAnswer | null = null
  #reader: AnswerReader | null = null

  /**
   * @param original the first request with the key, whose body may still be on its way as well
   * @param onAnswered it waits no more, for whatever reason; called before `handler` is
   */
  constructor(
    request: RequestFingerprint,
    original: RequestFingerprint,
    handler: AnswerHandler,
    onAnswered: (repeat: Repeat) => void = () => {},
  ) {
    this.#request = request
    this.#original = original
    this.#handler = handler
    this.#onAnswered = onAnswered
  }

  // ---- for the one who started it ------------------------------------------------------------------

  write(bytes: Uint8Array): boolean {
    this.#request.write(bytes)
    return true
  }

  end(): void {
    this.#request.end()
    this.proceed()
  }

  consumed(bytes: number): void {
    this.#reader?.consumed(bytes)
  }

  cancel(): void {
    this.#finish()
    this.#reader?.cancel()
  }

  abort(error: CallError): void {
    this.fail(error)
    this.#reader?.fail(error)
  }

  get isOver(): boolean {
    return this.#isAnswered && this.#reader?.isOver !== false
  }

  // ---- for the one who has the answer ----------------------------------------------------------------

  /** Compares what is known of both requests by now, and answers when that is enough. */
  proceed(): void {
    if (this.#isAnswered) return
    if (this.#request.differsFrom(this.#original)) return this.fail(usedKey())
    // A function may answer before it has all of the first body: then the heads alone are compared.
    if (this.#answer !== null && this.#request.isWhole) this.#replay(this.#answer)
  }

  onAnswer(answer: KeptAnswer): void {
    if (this.#isAnswered) return
    answer.hold()
    this.#answer = answer
    this.proceed()
  }

  fail(error: CallError): void {
    if (this.#isAnswered) return
    this.#finish()
    this.#handler.onError(error)
  }

  #replay(answer: KeptAnswer): void {
    const { status, headers, body } = answer
    if (body.length <= WHOLE_BYTES) {
      this.#finish()
      this.#handler.onReply(status, [...headers, ...REPLAYED], body)
      return this.#handler.onFlush()
    }
    const reader = new AnswerReader(answer, this.#handler)
    this.#reader = reader
    this.#finish()
    // Whoever started us must have us to say what has left.
    queueMicrotask(() => reader.begin(REPLAYED))
  }

  #finish(): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    this.#answer?.release()
    this.#answer = null
    this.#onAnswered(this)
  }
}

function usedKey(): CallError {
  return new CallError(
    'invalid_input',
    'This Idempotency-Key was used for another request. Use a new key for a new request.',
  )
}
