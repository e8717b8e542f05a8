// `Idempotency-Key`: calls of one owner (`key-owner.ts`) with one key are one invocation. The second one waits
// for the first (`shared-call.ts`), or is given its answer when that is at most a window old; nothing runs
// twice. Answers of known length only: a stream is not kept, and whoever comes meanwhile is told so (409);
// nor is one that takes too much of the memory. What failed is not kept either: the next call with its key runs.
//
// Within one gateway process: a key that reaches another one runs there, and the function sees the field.

import { CallError } from '../../../shared/errors.js'
import type { AnswerHandler, CallHead } from '../../dispatch/answer-handler.js'
import type { Dispatcher } from '../../dispatch/dispatcher.js'
import type { CallHandle } from './call-handle.js'
import { KeptAnswers } from './kept-answers.js'
import { ownerOf } from './key-owner.js'
import { Repeat } from './repeat.js'
import { RequestFingerprint } from './request-fingerprint.js'
import { SharedCall } from './shared-call.js'

export interface SharedAnswersOptions {
  readonly dispatcher: Dispatcher
  /** How long an answer is kept, in milliseconds. */
  readonly idempotencyWindowMs: number
  /** Memory for answers that are kept, on their way, or being read by clients that are slow, in bytes. */
  readonly idempotencyCacheBytes: number
}

/** The draft of the field names no limit; longer than this is a mistake. */
const MAX_KEY_CHARS = 255

export class SharedAnswers {
  readonly #dispatcher: Dispatcher
  readonly #running = new Map<string, SharedCall>()
  readonly #kept: KeptAnswers

  constructor(options: SharedAnswersOptions) {
    this.#dispatcher = options.dispatcher
    this.#kept = new KeptAnswers(options.idempotencyWindowMs, options.idempotencyCacheBytes)
  }

  /** Like `Dispatcher.start`, for a request with this key. `handler` may hear its answer before it returns. */
  start(
    idempotencyKey: string,
    head: CallHead,
    body: Uint8Array | null,
    hasMore: boolean,
    handler: AnswerHandler,
  ): CallHandle {
    if (idempotencyKey === '' || idempotencyKey.length > MAX_KEY_CHARS) {
      handler.onError(badKey())
      return NOTHING_TO_DO
    }
    const request = new RequestFingerprint(head, body, hasMore)
    const key = `${head.functionName}\n${ownerOf(head)}\n${idempotencyKey}`
    const kept = this.#kept.get(key)
    const running = kept === undefined ? this.#running.get(key) : undefined
    if (kept !== undefined || running !== undefined) {
      // It runs nothing, and waits and is read like any other.
      const { limits } = this.#dispatcher
      const leave = () => limits.leave(head.fairnessKey)
      const refusal = limits.enter(head.fairnessKey)
      if (refusal !== null) {
        leave()
        handler.onError(refusal)
        return NOTHING_TO_DO
      }
      if (running !== undefined) return running.join(request, handler, leave)
      const repeat = new Repeat(request, kept!.request, handler, leave)
      repeat.onAnswer(kept!)
      return repeat
    }
    const call = new SharedCall(request, handler, this.#kept, (answer) => {
      // By now the key may be a later call's.
      if (this.#running.get(key) === call) this.#running.delete(key)
      if (answer !== null) this.#kept.keep(key, answer)
    })
    this.#running.set(key, call)
    return call.begin(this.#dispatcher.start(head, body, hasMore, call))
  }
}

const NOTHING_TO_DO: CallHandle = {
  write: () => true,
  end: () => {},
  consumed: () => {},
  cancel: () => {},
  abort: () => {},
  isOver: true,
}

function badKey(): CallError {
  return new CallError(
    'bad_request',
    `An Idempotency-Key has 1 to ${MAX_KEY_CHARS} characters, and stands there once.`,
  )
}
