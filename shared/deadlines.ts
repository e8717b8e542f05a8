// Time limits by the thousand, most of which are taken back before they pass. Those of one length pass in
// the order in which they were set, so each length has one line, and a line one timer: a timer for every
// call takes a microsecond of it.

import { performance } from 'node:perf_hooks'
import { MAX_TIMER_MS } from './max-timer.js'

export interface Limited {
  /** The limit has passed; it is no longer set. */
  onDeadline(limitMs: number): void
}

export class Deadlines {
  readonly #lines = new Map<number, Line>()

  /** One at a time for each `limited`. */
  set(limited: Limited, limitMs: number): void {
    let line = this.#lines.get(limitMs)
    if (line === undefined) {
      line = new Line(limitMs, (empty) => this.#forget(empty, limitMs))
      this.#lines.set(limitMs, line)
    }
    line.add(limited)
  }

  /** Takes it back; does nothing where it has passed. */
  clear(limited: Limited, limitMs: number): void {
    this.#lines.get(limitMs)?.delete(limited)
  }

  /** By the time that a line has ended another one may stand in its place. */
  #forget(line: Line, limitMs: number): void {
    if (this.#lines.get(limitMs) === line) this.#lines.delete(limitMs)
  }
}

/** Limits of one length. */
class Line {
  readonly #limitMs: number
  readonly #onEmpty: (line: Line) => void
  /** When each is due, the next one first. */
  readonly #dueMs = new Map<Limited, number>()
  #timer: NodeJS.Timeout

  constructor(limitMs: number, onEmpty: (line: Line) => void) {
    this.#limitMs = limitMs
    this.#onEmpty = onEmpty
    this.#timer = this.#wait(limitMs)
  }

  add(limited: Limited): void {
    this.#dueMs.set(limited, performance.now() + this.#limitMs)
  }

  delete(limited: Limited): void {
    if (this.#dueMs.delete(limited) && this.#dueMs.size === 0) this.#end()
  }

  #wait(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#onTimer(), Math.min(ms, MAX_TIMER_MS))
  }

  #onTimer(): void {
    for (const [limited, dueMs] of this.#dueMs) {
      const leftMs = dueMs - performance.now()
      if (leftMs > 0) {
        this.#timer = this.#wait(Math.ceil(leftMs))
        return
      }
      this.#dueMs.delete(limited)
      limited.onDeadline(this.#limitMs)
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
