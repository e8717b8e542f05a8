// `Idempotency-Key`: calls of one owner (`key-owner.ts`) with one key are one invocation. The second one waits
// for the first, or is given its answer when that is at most a window old; nothing runs twice. Whole answers only:
// one that streams is not kept, and whoever comes meanwhile is told so (409). What failed is not kept
// either: the next call with its key runs.
//
// Within one gateway process: a key that reaches another one runs there, and the function sees the field.

import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { CallError } from '../../shared/errors.js'
import type { FlatHeaders } from '../../shared/frame.js'
import type { AnswerHandler, CallHead } from '../dispatch/answer-handler.js'
import type { Dispatcher } from '../dispatch/dispatcher.js'
import type { Invocation } from '../dispatch/invocation.js'
import { ownerOf } from './key-owner.js'
import { valuesOf } from './request-head.js'

export interface SharedAnswersOptions {
  readonly dispatcher: Dispatcher
  /** How long an answer is kept, in milliseconds. */
  readonly idempotencyWindowMs: number
  /** Memory for answers that are kept, in bytes. */
  readonly idempotencyCacheBytes: number
}

/** What a call that was started may be asked for: an invocation, or a share of one. */
export type CallHandle = Pick<
  Invocation,
  'write' | 'end' | 'consumed' | 'cancel' | 'abort' | 'isOver'
>

/** What an answer costs beside its bytes, about. */
const ENTRY_BYTES = 512
/** The draft of the field names no limit; longer than this is a mistake. */
const MAX_KEY_CHARS = 255

interface KeptAnswer {
  readonly fingerprint: string
  readonly status: number
  readonly headers: FlatHeaders
  readonly body: Uint8Array
}

export class SharedAnswers {
  readonly #dispatcher: Dispatcher
  readonly #running = new Map<string, SharedCall>()
  readonly #kept: LRUCache<string, KeptAnswer>

  constructor(options: SharedAnswersOptions) {
    this.#dispatcher = options.dispatcher
    this.#kept = new LRUCache({
      ttl: options.idempotencyWindowMs,
      maxSize: options.idempotencyCacheBytes,
      sizeCalculation: ({ body, headers }) => ENTRY_BYTES + body.length + headers.join().length,
    })
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
      return refused(handler, badKey())
    }
    const key = `${head.functionName}\n${ownerOf(head)}\n${idempotencyKey}`
    // Of a body that is still on its way nobody knows what it will be.
    const fingerprint = hasMore ? null : fingerprintOf(head, body)
    const kept = this.#kept.get(key)
    const running = this.#running.get(key)
    const known = kept ?? running
    if (known !== undefined && fingerprint !== known.fingerprint) {
      return refused(
        handler,
        fingerprint === null || known.fingerprint === null ? busyKey() : usedKey(),
      )
    }
    if (kept !== undefined) {
      handler.onReply(kept.status, [...kept.headers, ...REPLAYED], kept.body)
      return NOTHING_TO_DO
    }
    if (running !== undefined) return running.join(handler)
    const call = new SharedCall(fingerprint, handler, (answer) => {
      // By now the key may be a later call's.
      if (this.#running.get(key) === call) this.#running.delete(key)
      if (answer !== null) this.#kept.set(key, answer)
    })
    this.#running.set(key, call)
    return call.begin(this.#dispatcher.start(head, body, hasMore, call))
  }
}

/** One invocation whose answer goes to everybody who came with its key. */
class SharedCall implements AnswerHandler {
  /** Null: its body was not at hand to compare. */
  readonly fingerprint: string | null
  readonly #first: AnswerHandler
  readonly #others = new Set<AnswerHandler>()
  readonly #onOver: (answer: KeptAnswer | null) => void
  #invocation: Invocation | null = null
  #hasFirst = true
  #isStreaming = false
  #isOver = false

  constructor(
    fingerprint: string | null,
    first: AnswerHandler,
    onOver: (answer: KeptAnswer | null) => void,
  ) {
    this.fingerprint = fingerprint
    this.#first = first
    this.#onOver = onOver
  }

  begin(invocation: Invocation): CallHandle {
    this.#invocation = invocation
    return {
      write: (bytes) => invocation.write(bytes),
      end: () => invocation.end(),
      consumed: (bytes) => invocation.consumed(bytes),
      cancel: (outcome) => {
        this.#hasFirst = false
        this.#leave(outcome)
      },
      abort: (error) => invocation.abort(error),
      get isOver() {
        return invocation.isOver
      },
    }
  }

  join(handler: AnswerHandler): CallHandle {
    if (this.#isStreaming) return refused(handler, streamedKey())
    this.#others.add(handler)
    return {
      ...NOTHING_TO_DO,
      cancel: () => {
        this.#others.delete(handler)
        this.#leave()
      },
      abort: (error) => {
        if (this.#others.delete(handler)) handler.onError(error)
      },
      isOver: false,
    }
  }

  onReply(status: number, headers: FlatHeaders, body: Uint8Array): void {
    const { fingerprint } = this
    const kept = fingerprint && { fingerprint, status, headers, body: Uint8Array.from(body) }
    this.#end(kept || null)
    if (this.#hasFirst) this.#first.onReply(status, headers, body)
    for (const other of this.#others) other.onReply(status, [...headers, ...REPLAYED], body)
  }

  onHead(status: number, headers: FlatHeaders): void {
    this.#isStreaming = true
    this.#refuseOthers(streamedKey())
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
    this.#refuseOthers(error)
  }

  onDrain(): void {
    if (this.#hasFirst) this.#first.onDrain()
  }

  #refuseOthers(error: CallError): void {
    for (const other of this.#others) other.onError(error)
    this.#others.clear()
  }

  /** The function goes on as long as anybody waits for it. */
  #leave(outcome?: 'cancelled' | 'succeeded'): void {
    if (this.#hasFirst || this.#others.size > 0) return
    this.#end(null)
    this.#invocation?.cancel(outcome)
  }

  /** The first time counts: who has an answer may still leave before all of it has been read. */
  #end(answer: KeptAnswer | null): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onOver(answer)
  }
}

const REPLAYED = ['idempotent-replayed', 'true'] as const

const NOTHING_TO_DO: CallHandle = {
  write: () => true,
  end: () => {},
  consumed: () => {},
  cancel: () => {},
  abort: () => {},
  isOver: true,
}

function refused(handler: AnswerHandler, error: CallError): CallHandle {
  handler.onError(error)
  return NOTHING_TO_DO
}

/** Beside method and URL. */
const COMPARED_FIELDS = ['host', 'content-type', 'accept']

/**
 * What must be the same for two requests to be one. Also what the answer's form depends on: a client that
 * asks for another one can be given neither the answer as it was, which it may not be able to read, nor
 * a run of its own, which would be the second with its key.
 */
function fingerprintOf({ method, url, headers }: CallHead, body: Uint8Array | null): string {
  const fields = COMPARED_FIELDS.map((name) => valuesOf(headers, name).join())
  const hash = createHash('sha256').update([`${method} ${url}`, ...fields, ''].join('\n'))
  if (body !== null) hash.update(body)
  return hash.digest('base64')
}

function badKey(): CallError {
  return new CallError(
    'bad_request',
    `An Idempotency-Key has 1 to ${MAX_KEY_CHARS} characters, and stands there once.`,
  )
}

function usedKey(): CallError {
  return new CallError(
    'invalid_input',
    'This Idempotency-Key was used for another request. Use a new key for a new request.',
  )
}

function busyKey(): CallError {
  return new CallError('conflict', 'A request with this Idempotency-Key is at work already.')
}

function streamedKey(): CallError {
  return new CallError(
    'conflict',
    'A request with this Idempotency-Key is at work already, and its answer is a stream, which cannot be shared.',
  )
}
