// What the gateway adds to a stream of server-sent events: a comment when it has been silent for a while,
// so that no proxy cuts it, and an `error` event before a stream that failed breaks off. Both only between
// two events, and not into one that the function has compressed. Owns its timer until `stop`.

import { headerValue } from '../../shared/flat-headers.js'
import type { Problem } from './problem.js'
import type { ResponseWriter } from './response-writer.js'

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d
/** The end of a line and an empty one, and a byte of the text before: CR LF CR LF. */
const LONGEST_GAP_BYTES = 5

/** A timer that looks is cheaper than one that is set anew for every write; a comment is a quarter late at most. */
const LOOKS_A_PING = 4

export class EventStream {
  readonly #writer: ResponseWriter
  readonly #timer: NodeJS.Timeout | null
  /** Ends of lines behind the last text that was written: between two events there are two. */
  #lineEnds = 2
  /** A line feed that follows belongs to the line's end before it. */
  #endsInReturn = false
  /** Lines end in CR alone, as they may: then none follows. */
  #usesReturns = false
  /** Times that nothing had been written since the time before. */
  #silentLooks = 0

  /** @param pingMs null: no comments */
  constructor(writer: ResponseWriter, pingMs: number | null) {
    this.#writer = writer
    this.#timer =
      pingMs === null ? null : setInterval(() => this.#look(), Math.ceil(pingMs / LOOKS_A_PING))
  }

  static isOne(headers: readonly string[]): boolean {
    const type = headerValue(headers, 'content-type')
    if (type === null || !/^\s*text\/event-stream\s*(;|$)/i.test(type)) return false
    const coding = headerValue(headers, 'content-encoding')
    return coding === null || coding.trim().toLowerCase() === 'identity'
  }

  /** Bytes of the function's have been written. */
  onWritten(bytes: Uint8Array): void {
    this.#silentLooks = 0
    for (const byte of bytes.subarray(-LONGEST_GAP_BYTES)) {
      const isBehindReturn = this.#endsInReturn
      this.#endsInReturn = byte === CARRIAGE_RETURN
      if (isBehindReturn) this.#usesReturns = byte !== NEWLINE
      if (isBehindReturn && byte === NEWLINE) continue
      this.#lineEnds = byte === NEWLINE || byte === CARRIAGE_RETURN ? this.#lineEnds + 1 : 0
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
    return this.#lineEnds >= 2 && (!this.#endsInReturn || this.#usesReturns)
  }

  #look(): void {
    this.#silentLooks++
    if (this.#silentLooks < LOOKS_A_PING) return
    this.#silentLooks = 0
    if (this.#isBetweenEvents) this.#writer.insert(': ping\n\n')
  }
}
