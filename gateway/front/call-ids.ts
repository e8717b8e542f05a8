// Ids of calls: the gateway's own prefix and a count. `toString(36)` for every one takes as long as
// reading the request's head, so the last two digits come from a table.

import { newPeerId } from '../../shared/subjects.js'

const DIGITS = 36
const ENDINGS = Array.from({ length: DIGITS * DIGITS }, (_, index) =>
  index.toString(DIGITS).padStart(2, '0'),
)

export class CallIds {
  readonly #prefix = newPeerId()
  #block = 0
  #blockText = `${this.#prefix}0`
  #next = 0

  next(): string {
    if (this.#next === ENDINGS.length) {
      this.#next = 0
      this.#block++
      this.#blockText = this.#prefix + this.#block.toString(DIGITS)
    }
    return this.#blockText + ENDINGS[this.#next++]
  }
}
