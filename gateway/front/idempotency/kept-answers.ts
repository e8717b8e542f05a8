// The answers that are kept for their keys, and the memory of all that are shared. One that is needed for a
// new answer is taken from those that were not asked for longest; what is on its way or still being read
// cannot be taken.

import { LRUCache } from 'lru-cache'
import type { FlatHeaders } from '../../../shared/frame.js'
import { KeptAnswer } from './kept-answer.js'
import type { RequestFingerprint } from './request-fingerprint.js'

/** Of all the memory, for one answer: a few large ones must not put out everybody's small ones. */
const LARGEST_SHARE = 1 / 4

export class KeptAnswers {
  readonly #kept: LRUCache<string, KeptAnswer>
  readonly #totalBytes: number
  #usedBytes = 0

  constructor(windowMs: number, totalBytes: number) {
    this.#totalBytes = totalBytes
    this.#kept = new LRUCache({
      ttl: windowMs,
      maxSize: totalBytes,
      sizeCalculation: ({ costBytes }) => costBytes,
      dispose: (answer) => answer.release(),
    })
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get(key: string): KeptAnswer | undefined {
    return this.#kept.get(key)
  }

  keep(key: string, answer: KeptAnswer): void {
    answer.hold()
    this.#kept.set(key, answer)
  }

  /** An answer that may be kept, held by the caller; null where it is too large, or there is no room. */
  make(
    request: RequestFingerprint,
    status: number,
    headers: FlatHeaders,
    bodyBytes: number,
  ): KeptAnswer | null {
    const costBytes = KeptAnswer.costBytes(headers, bodyBytes)
    if (costBytes > this.#totalBytes * LARGEST_SHARE || !this.#reserve(costBytes)) return null
    return new KeptAnswer(request, status, headers, bodyBytes, () => {
      this.#usedBytes -= costBytes
    })
  }

  #reserve(bytes: number): boolean {
    // Else all that is kept would go, and in vain.
    const unkeptBytes = this.#usedBytes - this.#kept.calculatedSize
    if (unkeptBytes + bytes > this.#totalBytes) return false
    while (this.#usedBytes + bytes > this.#totalBytes) {
      if (this.#kept.pop() === undefined) return false
    }
    this.#usedBytes += bytes
    return true
  }
}
