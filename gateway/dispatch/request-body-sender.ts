// The request's body on its way to the runner: as much as the credit covers is sent, the rest waits, and
// what was sent is kept for as long as the call may still have to go to another runner.

import { Allowance } from '../../shared/credit.js'
import { FRAME, INITIAL_BODY_CREDIT_BYTES } from '../../shared/frame.js'
import type { Outbox } from '../../shared/outbox.js'

export class RequestBodySender {
  readonly #allowance = new Allowance(0)
  #outbox: Outbox | null = null
  #id = 0
  /** Sent; dropped at the runner's first sign that it has the call. Within the initial credit. */
  #kept: Uint8Array[] = []
  #isKeeping = true
  /** Not covered by the credit yet: one piece of the client's at most, and what came before a runner. */
  #waiting: Uint8Array[] = []
  #hasEnded: boolean
  #isEndSent = false

  /** @param body its beginning, which the caller must not change any more */
  constructor(body: Uint8Array | null, hasMore: boolean) {
    this.#hasEnded = !hasMore
    if (body !== null && body.length > 0) this.#waiting.push(body)
  }

  /** Whether the call may go to another runner with all of its body. */
  get isReplayable(): boolean {
    return this.#isKeeping
  }

  /**
   * A runner is there. Returns what goes into the CALL itself, and whether that is all.
   * `sendWaiting` follows, once the CALL has been sent.
   */
  begin(outbox: Outbox, id: number): { first: Uint8Array | null; isWhole: boolean } {
    this.#outbox = outbox
    this.#id = id
    this.#allowance.grant(INITIAL_BODY_CREDIT_BYTES - this.#allowance.bytes)
    let first: Uint8Array | null = null
    const next = this.#waiting[0]
    if (next !== undefined && next.length <= INITIAL_BODY_CREDIT_BYTES) {
      first = next
      this.#waiting.shift()
      this.#allowance.take(first.length)
      this.#kept.push(first)
    }
    this.#isEndSent = this.#hasEnded && this.#waiting.length === 0
    return { first, isWhole: this.#isEndSent }
  }

  /** The runner would not or could not take the call: back to the beginning, for another one. */
  rewind(): void {
    this.#outbox = null
    this.#waiting.unshift(...this.#kept)
    this.#kept = []
  }

  /** `bytes` may be reused on return. False when some of them wait. */
  write(bytes: Uint8Array): boolean {
    if (this.#hasEnded) return true
    const sent = this.#waiting.length === 0 ? this.#send(bytes) : 0
    if (sent === bytes.length) return true
    this.#waiting.push(bytes.slice(sent))
    return false
  }

  end(): void {
    this.#hasEnded = true
    this.#sendEnd()
  }

  grant(bytes: number): void {
    this.#allowance.grant(bytes)
  }

  /** Sends what the credit covers. True when nothing waits any more. */
  sendWaiting(): boolean {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const sent = this.#send(next)
      if (sent < next.length) {
        this.#waiting[0] = next.subarray(sent)
        return false
      }
      this.#waiting.shift()
    }
    this.#sendEnd()
    return true
  }

  /** From here on another runner cannot be tried. */
  dropKept(): void {
    this.#isKeeping = false
    this.#kept = []
  }

  /** Nobody wants the rest. */
  drop(): void {
    this.dropKept()
    this.#waiting = []
    this.#hasEnded = true
    this.#isEndSent = true
  }

  /** Sends as much as the credit covers; returns how much that was. */
  #send(bytes: Uint8Array): number {
    const outbox = this.#outbox
    if (outbox === null) return 0
    const allowed = this.#allowance.take(bytes.length)
    const chunkBytes = outbox.maxChunkBytes
    for (let at = 0; at < allowed; at += chunkBytes) {
      outbox.sendBody(this.#id, bytes.subarray(at, Math.min(at + chunkBytes, allowed)))
    }
    if (this.#isKeeping && allowed > 0) this.#kept.push(bytes.slice(0, allowed))
    return allowed
  }

  #sendEnd(): void {
    if (!this.#hasEnded || this.#isEndSent || this.#waiting.length > 0 || this.#outbox === null)
      return
    this.#isEndSent = true
    this.#outbox.send([FRAME.end, this.#id])
  }
}
