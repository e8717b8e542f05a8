// Numbers that a caller gives: what is none is said where it was written, not by a runner that cannot read
// the call.

import { MAX_TIMER_MS } from '../shared/max-timer.js'

/** The time that a call has, in whole milliseconds; null for no limit, 0 or less for none that is left. */
export function timeLimit(timeoutMs: unknown): number | null {
  if (timeoutMs === undefined || timeoutMs === null) return null
  const limitMs = wholeNumber('timeoutMs', timeoutMs)
  return limitMs === Number.POSITIVE_INFINITY ? null : limitMs
}

/** The longest wait in the queue, as a timer can have it. */
export function queueWait(queueWaitMs: unknown): number {
  return Math.min(atLeast(0, 'queueWaitMs', queueWaitMs), MAX_TIMER_MS)
}

export function creditLimit(creditBytes: unknown): number {
  return atLeast(1, 'creditBytes', creditBytes)
}

function atLeast(least: number, name: string, value: unknown): number {
  const number = wholeNumber(name, value)
  if (number >= least) return number
  throw new RangeError(`\`${name}\` must be at least ${least}, not ${value}.`)
}

/** Rounded up; Infinity beyond what a double counts exactly. Throws a TypeError or RangeError. */
function wholeNumber(name: string, value: unknown): number {
  if (typeof value !== 'number') {
    throw new TypeError(
      `\`${name}\` must be a number, not ${value === null ? 'null' : typeof value}.`,
    )
  }
  if (Number.isNaN(value)) throw new RangeError(`\`${name}\` must be a number, not NaN.`)
  return value > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : Math.ceil(value)
}
