// The three clocks of one invocation: the first byte of its answer, the pause between frames, the total.
// Owns its timers; `stop` ends them all. The pause's timer is not set anew for every frame: it looks, when
// it fires, how long ago the last one was.

import { performance } from 'node:perf_hooks'
import { type Deadline, deadlines, type Limited } from '../../shared/deadlines.js'
import type { ErrorCode } from '../../shared/errors.js'

export interface ClockLimits {
  readonly timeoutMs: number | null
  readonly firstByteMs: number | null
  readonly idleMs: number | null
}

export type ClockCode = Extract<ErrorCode, 'timed_out' | 'first_byte_timed_out' | 'idle_timed_out'>

export class Clocks implements Limited {
  readonly #onExpired: (code: ClockCode, limitMs: number) => void
  #total: Deadline | null = null
  #firstByte: NodeJS.Timeout | null = null
  #idle: NodeJS.Timeout | null = null
  #lastFrameMs = 0

  /** Starts them. @param onExpired called once at most; all clocks have stopped then */
  constructor(limits: ClockLimits, onExpired: (code: ClockCode, limitMs: number) => void) {
    const { timeoutMs, firstByteMs, idleMs } = limits
    this.#onExpired = onExpired
    if (timeoutMs !== null) this.#total = deadlines.set(this, timeoutMs)
    if (firstByteMs !== null) {
      this.#firstByte = setTimeout(
        () => this.#expire('first_byte_timed_out', firstByteMs),
        firstByteMs,
      )
    }
    if (idleMs !== null) {
      this.#lastFrameMs = performance.now()
      this.#watchIdle(idleMs, idleMs)
    }
  }

  /** A frame of the invocation went out or came in. */
  touch(): void {
    if (this.#idle !== null) this.#lastFrameMs = performance.now()
  }

  /** The answer has begun. */
  onFirstByte(): void {
    if (this.#firstByte === null) return
    clearTimeout(this.#firstByte)
    this.#firstByte = null
  }

  stop(): void {
    this.#total?.clear()
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#total = null
    this.#idle = null
    this.onFirstByte()
  }

  onDeadline(limitMs: number): void {
    this.#expire('timed_out', limitMs)
  }

  #watchIdle(idleMs: number, waitMs: number): void {
    this.#idle = setTimeout(() => {
      const leftMs = this.#lastFrameMs + idleMs - performance.now()
      if (leftMs <= 0) this.#expire('idle_timed_out', idleMs)
      else this.#watchIdle(idleMs, leftMs)
    }, waitMs)
  }

  #expire(code: ClockCode, limitMs: number): void {
    this.stop()
    this.#onExpired(code, limitMs)
  }
}
