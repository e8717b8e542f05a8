// A request whose Idempotency-Key is known already. It runs nothing: its body is read to be compared, and
// not kept, and then it has the answer of the first request with the key, as soon as there is one.
//
//   waiting ──its body is read, and the answer there──▶ over
//      └── it is another request, or failed, or its client left ──▶ over

import { CallError } from '../../shared/errors.js'
import type { FlatHeaders } from '../../shared/frame.js'
import type { AnswerHandler } from '../dispatch/answer-handler.js'
import type { CallHandle } from './call-handle.js'
import type { RequestFingerprint } from './request-fingerprint.js'

export interface KeptAnswer {
  readonly request: RequestFingerprint
  readonly status: number
  readonly headers: FlatHeaders
  readonly body: Uint8Array
}

const REPLAYED = ['idempotent-replayed', 'true'] as const

export class Repeat implements CallHandle {
  readonly #request: RequestFingerprint
  readonly #original: RequestFingerprint
  readonly #handler: AnswerHandler
  readonly #onOver: (repeat: Repeat) => void
  #answer: KeptAnswer | null = null
  #isOver = false

  /**
   * @param original the first request with the key, whose body may still be on its way as well
   * @param onOver it waits no more, for whatever reason; called before `handler` is
   */
  constructor(
    request: RequestFingerprint,
    original: RequestFingerprint,
    handler: AnswerHandler,
    onOver: (repeat: Repeat) => void = () => {},
  ) {
    this.#request = request
    this.#original = original
    this.#handler = handler
    this.#onOver = onOver
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

  consumed(): void {}

  cancel(): void {
    this.#finish()
  }

  abort(error: CallError): void {
    this.fail(error)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  // ---- for the one who has the answer ----------------------------------------------------------------

  /** Compares what is known of both requests by now, and answers when that is enough. */
  proceed(): void {
    if (this.#isOver) return
    if (this.#request.differsFrom(this.#original)) return this.fail(usedKey())
    // A function may answer before it has all of the first body: then the heads alone are compared.
    if (this.#answer === null || !this.#request.isWhole) return
    const { status, headers, body } = this.#answer
    this.#finish()
    this.#handler.onReply(status, [...headers, ...REPLAYED], body)
  }

  onAnswer(answer: KeptAnswer): void {
    this.#answer = answer
    this.proceed()
  }

  fail(error: CallError): void {
    if (this.#isOver) return
    this.#finish()
    this.#handler.onError(error)
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onOver(this)
  }
}

function usedKey(): CallError {
  return new CallError(
    'invalid_input',
    'This Idempotency-Key was used for another request. Use a new key for a new request.',
  )
}
