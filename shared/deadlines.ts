// Time limits by the thousand, most of which are taken back before they pass. Those of one length pass in
// the order in which they were set, so each length has one line, and a line one timer: a timer for every
// call takes a microsecond of it.

import { performance } from 'node:perf_hooks'
import { LiveList, type Place } from './live-list.js'
import { MAX_TIMER_MS } from './max-timer.js'

export interface Limited {
  /** The limit has passed; it is no longer set. */
  onDeadline(limitMs: number): void
}

export class Deadlines {
  readonly #lines = new Map<number, Line>()

  /** It passes, unless it is cleared before. */
  set(limited: Limited, limitMs: number): Deadline {
    let line = this.#lines.get(limitMs)
    if (line === undefined) {
      line = new Line(limitMs, (empty) => this.#forget(empty, limitMs))
      this.#lines.set(limitMs, line)
    }
    return line.add(limited)
  }

  /** By the time that a line has ended another one may stand in its place. */
  #forget(line: Line, limitMs: number): void {
    if (this.#lines.get(limitMs) === line) this.#lines.delete(limitMs)
  }
}

export class Deadline {
  readonly limited: Limited
  readonly dueMs: number
  readonly #line: Line
  readonly #place: Place<Deadline>

  constructor(line: Line, waiting: LiveList<Deadline>, limited: Limited, dueMs: number) {
    this.#line = line
    this.limited = limited
    this.dueMs = dueMs
    this.#place = waiting.add(this)
  }

  /** Takes it back; does nothing where it has passed. */
  clear(): void {
    this.#line.delete(this.#place)
  }
}

/** A line that has had so many limits keeps its timer when the last one is taken back: the next one is near. */
const BUSY_LINE = 16

/**
 * Limits of one length.
 *
 *   waiting ◀──▶ idle (of a busy line, until its timer ends it)
 *      └───────────┴──▶ ended
 */
class Line {
  readonly #limitMs: number
  #sets = 0
  readonly #onEmpty: (line: Line) => void
  /** The next one first. */
  readonly #waiting = new LiveList<Deadline>()
  #timer: NodeJS.Timeout

  constructor(limitMs: number, onEmpty: (line: Line) => void) {
    this.#limitMs = limitMs
    this.#onEmpty = onEmpty
    this.#timer = this.#wait(limitMs)
  }

  add(limited: Limited): Deadline {
    // An idle line keeps no process alive.
    if (this.#waiting.size === 0 && this.#sets > 0) this.#timer.ref()
    this.#sets++
    return new Deadline(this, this.#waiting, limited, performance.now() + this.#limitMs)
  }

  delete(place: Place<Deadline>): void {
    if (!this.#waiting.delete(place) || this.#waiting.size > 0) return
    if (this.#sets < BUSY_LINE) this.#end()
    else this.#timer.unref()
  }

  #wait(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#onTimer(), Math.min(ms, MAX_TIMER_MS))
  }

  #onTimer(): void {
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      const leftMs = next.dueMs - performance.now()
      if (leftMs > 0) {
        this.#timer = this.#wait(Math.ceil(leftMs))
        return
      }
      next.clear()
      next.limited.onDeadline(this.#limitMs)
    }
    this.#end()
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#onEmpty(this)
  }
}

/** The one of this process. */
export const deadlines = new Deadlines()
