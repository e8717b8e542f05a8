// Cancels that came before their call. After a reconnect they can; without this the call would run for
// nobody. Bounded, because a caller may send cancels for nothing.

import { LRUCache } from 'lru-cache'

const MAX_REMEMBERED = 10_000
const REMEMBERED_MS = 10_000

export class EarlyCancels {
  readonly #known = new LRUCache<string, true>({
    max: MAX_REMEMBERED,
    ttl: REMEMBERED_MS,
    // By itself it forgets only what it is asked for, and would not be empty again.
    ttlAutopurge: true,
  })

  remember(callerId: string, id: number): void {
    this.#known.set(`${callerId}.${id}`, true)
  }

  /** True once for a call that was cancelled before it came. */
  take(callerId: string, id: number): boolean {
    // Asked for every call: nearly always there is nothing to build a key for.
    return this.#known.size > 0 && this.#known.delete(`${callerId}.${id}`)
  }
}
