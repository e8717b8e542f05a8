// What the gateway adds to a stream of server-sent events: a comment when it has been silent for a while,
// so that no proxy cuts it, and an `error` event before a stream that failed breaks off. Both only between
// two events. Owns its timer until `stop`.

import { headerValue } from '../../shared/flat-headers.js'
import type { Problem } from './problem.js'
import type { ResponseWriter } from './response-writer.js'

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

export class EventStream {
  readonly #writer: ResponseWriter
  readonly #timer: NodeJS.Timeout | null
  /** The end of what was written: a blank line stands between two events. */
  #tail = '\n\n'
  #wasSilent = false

  /** @param pingMs null: no comments */
  constructor(writer: ResponseWriter, pingMs: number | null) {
    this.#writer = writer
    this.#timer = pingMs === null ? null : setInterval(() => this.#ping(), pingMs)
  }

  static isOne(headers: readonly string[]): boolean {
    const type = headerValue(headers, 'content-type')
    return type !== null && /^\s*text\/event-stream\s*(;|$)/i.test(type)
  }

  /** Bytes of the function's have been written. */
  onWritten(bytes: Uint8Array): void {
    this.#wasSilent = false
    for (const byte of bytes.subarray(-4)) {
      if (byte === CARRIAGE_RETURN) continue
      this.#tail = this.#tail.slice(-1) + (byte === NEWLINE ? '\n' : 'x')
    }
  }

  /** Says why the stream ends here; the caller then breaks it off. */
  fail(problem: Problem): void {
    this.stop()
    // Behind half an event it would make that one look whole.
    if (this.#isBetweenEvents) this.#writer.insert(`event: error\ndata: ${problem.body}\n\n`)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  get #isBetweenEvents(): boolean {
    return this.#tail === '\n\n'
  }

  #ping(): void {
    if (this.#wasSilent && this.#isBetweenEvents) this.#writer.insert(': ping\n\n')
    this.#wasSilent = true
  }
}
