// Who the gateway still owes something: calls that are open, and connections that may bring another. What
// the end of the public port waits for.

import type { CallError } from '../../shared/errors.js'
import { LiveList } from '../../shared/live-list.js'

export interface OpenCall {
  /** This end is leaving. */
  sendAway(error: CallError): void
}

/** A kept-alive connection on which nothing has come for so long is idle: its client will open another. */
const IDLE_MS = 1_000
/** What the kernels hold of an answer may be megabytes, and its client slow to read them. */
const READING_MS = 10_000

export class Clients {
  /** Not answered, or the answer has not left: what a slow client has still to read counts. */
  readonly calls = new LiveList<OpenCall>()
  readonly sockets = new Set<OpenCall>()
  /** Of HTTP: one that has become a WebSocket is none of them. */
  #connections = 0
  #areLeaving = false
  #quietUntilMs = 0

  /** So many connections more. */
  onConnections(difference: number): void {
    this.#connections += difference
  }

  /** From now on a connection ends behind its next answer. */
  leave(): void {
    this.#areLeaving = true
    this.onQuiet()
  }

  get areLeaving(): boolean {
    return this.#areLeaving
  }

  /**
   * A call has ended, or the last connection has come.
   * @param mayBeUnread its client may still read the answer, and not have begun to be silent
   */
  onQuiet(mayBeUnread = false): void {
    if (!this.#areLeaving && !mayBeUnread) return
    const untilMs = performance.now() + (mayBeUnread ? READING_MS : IDLE_MS)
    this.#quietUntilMs = Math.max(this.#quietUntilMs, untilMs)
  }

  /** Nobody waits for an answer, or is about to. */
  get areGone(): boolean {
    if (this.calls.size > 0 || this.sockets.size > 0) return false
    return this.#connections === 0 || performance.now() > this.#quietUntilMs
  }
}
