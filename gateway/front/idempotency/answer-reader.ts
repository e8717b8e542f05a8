// One client's way through an answer that is shared: as fast as it reads, however fast the others do, and no
// faster, since the engine would take over all that it is given.

import type { CallError } from '../../../shared/errors.js'
import type { FlatHeaders } from '../../../shared/frame.js'
import type { AnswerHandler } from '../../dispatch/answer-handler.js'
import type { KeptAnswer } from './kept-answer.js'

/** What a client that does not read has in the gateway. */
const PIECE_BYTES = 64 * 1024

export class AnswerReader {
  readonly #answer: KeptAnswer
  readonly #handler: AnswerHandler
  #readBytes = 0
  #unsentBytes = 0
  #isProceeding = false
  #isOver = false

  /** Holds the answer until it is over. */
  constructor(answer: KeptAnswer, handler: AnswerHandler) {
    this.#answer = answer
    this.#handler = handler
    answer.hold()
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** `consumed` must reach us from here on. */
  begin(furtherHeaders: FlatHeaders = []): void {
    if (this.#isOver) return
    const { status, headers } = this.#answer
    this.#handler.onHead(status, [...headers, ...furtherHeaders])
    this.proceed()
  }

  /** More of the answer may have come. */
  proceed(): void {
    // Within `onFlush` we hear that bytes have left: the loop goes on by itself.
    if (this.#isProceeding) return
    this.#isProceeding = true
    while (this.#hasNext) {
      const piece = this.#answer.body.subarray(this.#readBytes, this.#readBytes + PIECE_BYTES)
      this.#readBytes += piece.length
      this.#unsentBytes += piece.length
      this.#handler.onBody(piece)
      this.#handler.onFlush()
    }
    this.#isProceeding = false
    if (this.#isOver || this.#readBytes < this.#answer.bodyBytes) return
    this.cancel()
    this.#handler.onEnd()
  }

  /** Bytes have left. */
  consumed(bytes: number): void {
    this.#unsentBytes -= bytes
    this.proceed()
  }

  fail(error: CallError): void {
    if (this.#isOver) return
    this.cancel()
    this.#handler.onError(error)
  }

  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#answer.release()
  }

  get #hasNext(): boolean {
    if (this.#isOver || this.#unsentBytes >= PIECE_BYTES) return false
    return this.#readBytes < this.#answer.body.length
  }
}
