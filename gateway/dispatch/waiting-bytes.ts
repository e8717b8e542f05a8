// Bytes of a request's body that the credit does not cover yet, first in, first out, in pooled buffers.
//
// They are few by design: a client that sends more than the credit covers is paused, and what the kernel
// still holds of it is bounded by `front/public-port.ts`. They count on the budget.

import { bufferPool } from '../../shared/buffer-pool.js'
import type { CreditBudget } from '../../shared/credit.js'

/** The engine's read, the most that comes at once. */
const BUFFER_BYTES = 512 * 1024

interface Piece {
  readonly buffer: Buffer
  start: number
  end: number
}

export class WaitingBytes {
  readonly #budget: CreditBudget
  readonly #pieces: Piece[] = []
  #length = 0

  constructor(budget: CreditBudget) {
    this.#budget = budget
  }

  get length(): number {
    return this.#length
  }

  /** Copies the bytes behind the others. */
  push(bytes: Uint8Array): void {
    this.#length += bytes.length
    this.#budget.reserve(bytes.length, bytes.length)
    let at = 0
    while (at < bytes.length) {
      let last = this.#pieces.at(-1)
      if (last === undefined || last.end === last.buffer.length) {
        // Most uploads that wait for a slot have sent little: of thousands, half a MiB each would be much.
        const size = last === undefined ? bytes.length : BUFFER_BYTES
        last = { buffer: bufferPool.take(size), start: 0, end: 0 }
        this.#pieces.push(last)
      }
      const take = Math.min(bytes.length - at, last.buffer.length - last.end)
      last.buffer.set(bytes.subarray(at, at + take), last.end)
      last.end += take
      at += take
    }
  }

  /** Copies the bytes before the others. */
  unshift(bytes: Uint8Array): void {
    this.#length += bytes.length
    this.#budget.reserve(bytes.length, bytes.length)
    const buffer = bufferPool.take(bytes.length)
    buffer.set(bytes)
    this.#pieces.unshift({ buffer, start: 0, end: bytes.length })
  }

  /** The first bytes, in one piece; empty when there are none. Valid until `shift`. */
  peek(): Uint8Array {
    const first = this.#pieces[0]
    return first === undefined ? NOTHING : first.buffer.subarray(first.start, first.end)
  }

  /** Takes bytes of what `peek` gave away. */
  shift(bytes: number): void {
    const first = this.#pieces[0]
    if (first === undefined) return
    this.#length -= bytes
    this.#budget.give(bytes)
    first.start += bytes
    if (first.start < first.end) return
    this.#pieces.shift()
    bufferPool.give(first.buffer)
  }

  clear(): void {
    this.#budget.give(this.#length)
    this.#length = 0
    for (const { buffer } of this.#pieces.splice(0)) bufferPool.give(buffer)
  }
}

const NOTHING = new Uint8Array(0)
