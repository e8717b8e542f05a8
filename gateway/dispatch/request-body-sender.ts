// The request's body on its way to the runner: as much as the credit covers is sent, the rest waits, and
// what was sent is kept for as long as the call may still have to go to another runner.

import { BodyPieces } from '../../shared/body-pieces.js'
import { copyBytes } from '../../shared/copy-bytes.js'
import { Allowance, type CreditBudget } from '../../shared/credit.js'
import { FRAME, INITIAL_BODY_CREDIT_BYTES } from '../../shared/frame.js'
import type { Outbox, RoomWaiter } from '../../shared/outbox.js'
import { WaitingBytes } from './waiting-bytes.js'

/** A CALL with the largest first body and the largest head that a gateway takes fits. */
const ROOMY_PAYLOAD_BYTES = INITIAL_BODY_CREDIT_BYTES + 128 * 1024

export class RequestBodySender {
  readonly #replayBytes: number
  #allowance = new Allowance(0)
  #outbox: Outbox | null = null
  #id = 0
  /** Sent. Until the runner is known to have the call that is within the initial credit. */
  readonly #kept = new BodyPieces()
  #isKeeping = true
  #isTaken = false
  /** What came before there was a runner: in its own memory, since most calls carry it in their CALL. */
  #first: Uint8Array | null
  /** Not covered by the credit yet; null where nothing ever was: most bodies are small. */
  #waiting: WaitingBytes | null = null
  readonly #budget: CreditBudget
  readonly #roomWaiter: RoomWaiter
  #hasEnded: boolean
  #isEndSent = false

  /**
   * @param body its beginning, which the caller must not change any more
   * @param roomWaiter is to call `sendWaiting`
   * @param replayBytes what is kept of a call that a runner has taken, in case that the runner is lost
   */
  constructor(
    budget: CreditBudget,
    roomWaiter: RoomWaiter,
    body: Uint8Array | null,
    hasMore: boolean,
    replayBytes: number,
  ) {
    this.#replayBytes = replayBytes
    this.#budget = budget
    this.#roomWaiter = roomWaiter
    this.#hasEnded = !hasMore
    this.#first = body !== null && body.length > 0 ? body : null
  }

  /** Whether the call may go to another runner with all of its body. */
  get isReplayable(): boolean {
    return this.#isKeeping
  }

  /** Whether the runner has all of it: then it is not the client that keeps the call waiting. */
  get isSent(): boolean {
    return this.#isEndSent
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
    this.#allowance = new Allowance(INITIAL_BODY_CREDIT_BYTES)
    this.#isTaken = false
    let first = this.#first
    this.#first = null
    if (first !== null && (!hasRoom || first.length > INITIAL_BODY_CREDIT_BYTES)) {
      this.#queue.unshift(first)
      first = null
    }
    if (first !== null) {
      this.#allowance.take(first.length)
      this.#keep(first)
    }
    this.#isEndSent = this.#hasEnded && this.#waitingBytes === 0
    return { first, isWhole: this.#isEndSent }
  }

  /** The runner would not or could not take the call: back to the beginning, for another one. */
  rewind(): void {
    this.#outbox = null
    this.#first = this.#kept.take()
  }

  /** `bytes` may be reused on return. False when some of them wait. */
  write(bytes: Uint8Array): boolean {
    if (this.#hasEnded) return true
    const sent = this.#waitingBytes === 0 ? this.#send(bytes) : 0
    if (sent === bytes.length) return true
    this.#queue.push(bytes.subarray(sent))
    return false
  }

  end(): void {
    this.#hasEnded = true
    this.#sendEnd()
  }

  grant(bytes: number): void {
    this.#allowance.grant(bytes)
  }

  /** Sends what the credit covers and the connection has room for. True when nothing waits any more. */
  sendWaiting(): boolean {
    const waiting = this.#waiting
    while (waiting !== null && waiting.length > 0) {
      const sent = this.#send(waiting.peek())
      if (sent === 0) return false
      waiting.shift(sent)
    }
    this.#sendEnd()
    return true
  }

  /** The runner has the call. */
  onTaken(): void {
    this.#isTaken = true
    if (this.#kept.bytes > this.#replayBytes || this.#replayBytes === 0) this.dropKept()
  }

  /** From here on another runner cannot be tried. */
  dropKept(): void {
    this.#isKeeping = false
    this.#kept.clear()
  }

  /** Nobody wants the rest. */
  drop(): void {
    this.dropKept()
    this.#first = null
    this.#waiting?.clear()
    this.#hasEnded = true
    this.#isEndSent = true
  }

  get #waitingBytes(): number {
    return this.#waiting?.length ?? 0
  }

  get #queue(): WaitingBytes {
    this.#waiting ??= new WaitingBytes(this.#budget)
    return this.#waiting
  }

  /** Sends as much as the credit covers, or nothing where there is no room; returns how much that was. */
  #send(bytes: Uint8Array): number {
    const outbox = this.#outbox
    if (outbox === null) return 0
    if (!outbox.hasRoom) {
      outbox.waitForRoom(this.#roomWaiter)
      return 0
    }
    const allowed = this.#allowance.take(bytes.length)
    const chunkBytes = outbox.maxChunkBytes
    for (let at = 0; at < allowed; at += chunkBytes) {
      outbox.sendBody(this.#id, bytes.subarray(at, Math.min(at + chunkBytes, allowed)))
    }
    if (this.#isKeeping && allowed > 0) this.#keep(copyBytes(bytes.subarray(0, allowed)))
    return allowed
  }

  #keep(bytes: Uint8Array): void {
    this.#kept.push(bytes)
    if (this.#isTaken && this.#kept.bytes > this.#replayBytes) this.dropKept()
  }

  #sendEnd(): void {
    if (!this.#hasEnded || this.#isEndSent || this.#waitingBytes > 0 || this.#outbox === null)
      return
    this.#isEndSent = true
    this.#outbox.send([FRAME.end, this.#id])
  }
}
