// What must be the same for two requests with one Idempotency-Key to be one. The body is hashed as it
// passes, so that one of any size can be compared and none has to be kept.

import { createHash, type Hash } from 'node:crypto'
import type { CallHead } from '../../dispatch/answer-handler.js'
import { valuesOf } from '../request-head.js'

/**
 * Beside method and URL. Also what the answer's form depends on: a client that asks for another one can be
 * given neither the answer as it was, which it may not be able to read, nor a run of its own, which would be
 * the second with its key.
 */
const COMPARED_FIELDS = ['host', 'content-type', 'accept']

export class RequestFingerprint {
  readonly #head: string
  readonly #bodyHash: Hash = createHash('sha256')
  #body: string | null = null

  /**
   * @param body the request's body or its beginning
   * @param hasMore whether `write` and `end` follow
   */
  constructor(head: CallHead, body: Uint8Array | null, hasMore: boolean) {
    this.#head = digestOf(head)
    if (body !== null) this.write(body)
    if (!hasMore) this.end()
  }

  /** Whether all of the body is known. */
  get isWhole(): boolean {
    return this.#body !== null
  }

  write(bytes: Uint8Array): void {
    if (!this.isWhole) this.#bodyHash.update(bytes)
  }

  end(): void {
    this.#body ??= this.#bodyHash.digest('base64')
  }

  /** Whether they cannot be the same request, as far as both are known. */
  differsFrom(other: RequestFingerprint): boolean {
    if (this.#head !== other.#head) return true
    return this.isWhole && other.isWhole && this.#body !== other.#body
  }
}

function digestOf({ method, url, headers }: CallHead): string {
  const fields = COMPARED_FIELDS.map((name) => valuesOf(headers, name).join())
  const text = [`${method} ${url}`, ...fields].join('\n')
  return createHash('sha256').update(text).digest('base64')
}
