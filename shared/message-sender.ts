// WebSocket messages on their way over NATS: cut into pieces that fit a frame and the credit, in order.
// Used by both ends. What the credit does not cover waits here; whoever sends bounds it.

import { copyBytes } from './copy-bytes.js'
import type { Allowance } from './credit.js'
import { MESSAGE_COST_BYTES, MESSAGE_LAST, MESSAGE_TEXT } from './frame.js'
import type { Outbox } from './outbox.js'

interface Waiting {
  readonly bytes: Uint8Array
  readonly isText: boolean
  /** How much of it has been sent. */
  at: number
}

export class MessageSender {
  readonly #outbox: Outbox
  readonly #id: number
  readonly #allowance: Allowance
  #waiting: Waiting[] = []
  #waitingBytes = 0

  constructor(outbox: Outbox, id: number, allowance: Allowance) {
    this.#outbox = outbox
    this.#id = id
    this.#allowance = allowance
  }

  /** Bytes that wait for credit, with what each message costs beside its own. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  get waitingMessages(): number {
    return this.#waiting.length
  }

  /**
   * Sends a message, or what the credit covers of it. `bytes` may be reused on return.
   * False when something waits.
   */
  send(bytes: Uint8Array, isText: boolean): boolean {
    const message = { bytes, isText, at: 0 }
    if (this.#waiting.length === 0 && this.#sendSome(message)) return true
    const rest = { bytes: copyBytes(bytes.subarray(message.at)), isText, at: 0 }
    this.#waiting.push(rest)
    this.#waitingBytes += rest.bytes.length + MESSAGE_COST_BYTES
    return false
  }

  /** Sends what new credit covers. True when nothing waits any more. */
  resume(): boolean {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const before = next.at
      const isWhole = this.#sendSome(next)
      this.#waitingBytes -= next.at - before
      if (!isWhole) return false
      this.#waitingBytes -= MESSAGE_COST_BYTES
      this.#waiting.shift()
    }
    return true
  }

  drop(): void {
    this.#waiting = []
    this.#waitingBytes = 0
  }

  /** True when the whole message has been sent. */
  #sendSome(message: Waiting): boolean {
    const { bytes, isText } = message
    const text = isText ? MESSAGE_TEXT : 0
    for (;;) {
      const leftBytes = bytes.length - message.at
      const creditBytes = this.#allowance.bytes - MESSAGE_COST_BYTES
      if (creditBytes < Math.min(leftBytes, 1)) return false
      const pieceBytes = Math.min(leftBytes, creditBytes, this.#outbox.maxChunkBytes)
      this.#allowance.take(pieceBytes + MESSAGE_COST_BYTES)
      const end = message.at + pieceBytes
      const flags = end === bytes.length ? text | MESSAGE_LAST : text
      this.#outbox.sendMessage(this.#id, flags, bytes.subarray(message.at, end))
      message.at = end
      if (end === bytes.length) return true
    }
  }
}
