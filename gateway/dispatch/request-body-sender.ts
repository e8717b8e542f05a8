// The request's body on its way to the runner: as much as the credit covers is sent, the rest waits, and
// what was sent is kept for as long as the call may still have to go to another runner.

import { bufferPool } from '../../shared/buffer-pool.js'
import { copyBytes } from '../../shared/copy-bytes.js'
import { Allowance } from '../../shared/credit.js'
import { FRAME, INITIAL_BODY_CREDIT_BYTES } from '../../shared/frame.js'
import type { Outbox } from '../../shared/outbox.js'

/** A CALL with the largest first body and the largest head that a gateway takes fits. */
const ROOMY_PAYLOAD_BYTES = INITIAL_BODY_CREDIT_BYTES + 128 * 1024

interface Waiting {
  readonly bytes: Uint8Array
  /** Whose bytes they are, when they must be given back. */
  readonly pooled: Buffer | null
}

export class RequestBodySender {
  readonly #allowance = new Allowance(0)
  #outbox: Outbox | null = null
  #id = 0
  /** Sent; dropped at the runner's first sign that it has the call. Within the initial credit. */
  #kept: Uint8Array[] = []
  #isKeeping = true
  /** Not covered by the credit yet: what came before there was a runner, and one piece of the client's. */
  #waiting: Waiting[] = []
  #hasEnded: boolean
  #isEndSent = false

  /** @param body its beginning, which the caller must not change any more */
  constructor(body: Uint8Array | null, hasMore: boolean) {
    this.#hasEnded = !hasMore
    if (body !== null && body.length > 0) this.#waiting.push({ bytes: body, pooled: null })
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
    // Where the server takes only small messages, the head may leave no room for it.
    const hasRoom = outbox.maxPayloadBytes >= ROOMY_PAYLOAD_BYTES
    this.#outbox = outbox
    this.#id = id
    this.#allowance.grant(INITIAL_BODY_CREDIT_BYTES - this.#allowance.bytes)
    let first: Uint8Array | null = null
    const next = this.#waiting[0]?.bytes
    if (hasRoom && next !== undefined && next.length <= INITIAL_BODY_CREDIT_BYTES) {
      // Of the pool's it is never: those come after a runner has begun to grant.
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
    this.#waiting.unshift(...this.#kept.map((bytes) => ({ bytes, pooled: null })))
    this.#kept = []
  }

  /** `bytes` may be reused on return. False when some of them wait. */
  write(bytes: Uint8Array): boolean {
    if (this.#hasEnded) return true
    const sent = this.#waiting.length === 0 ? this.#send(bytes) : 0
    if (sent === bytes.length) return true
    const rest = bytes.subarray(sent)
    const pooled = bufferPool.take(rest.length)
    pooled.set(rest)
    this.#waiting.push({ bytes: pooled.subarray(0, rest.length), pooled })
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
      const { bytes, pooled } = next
      const sent = this.#send(bytes)
      if (sent < bytes.length) {
        this.#waiting[0] = { bytes: bytes.subarray(sent), pooled }
        return false
      }
      this.#waiting.shift()
      if (pooled !== null) bufferPool.give(pooled)
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
    for (const { pooled } of this.#waiting) if (pooled !== null) bufferPool.give(pooled)
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
    if (this.#isKeeping && allowed > 0) this.#kept.push(copyBytes(bytes.subarray(0, allowed)))
    return allowed
  }

  #sendEnd(): void {
    if (!this.#hasEnded || this.#isEndSent || this.#waiting.length > 0 || this.#outbox === null)
      return
    this.#isEndSent = true
    this.#outbox.send([FRAME.end, this.#id])
  }
}
