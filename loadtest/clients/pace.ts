// An open loop: calls start when they are due, whatever became of those before. A client that waits for
// answers would slow down with the system that it loads, and hide what it waits for.

import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'

export interface Pace {
  readonly perSecond: number
  /** Ends it. */
  readonly signal: AbortSignal
}

const STARTS_A_TURN = 32

/** `start` is told when the call was due: a client that is late must not look like a quick answer. */
export async function atPace(pace: Pace, start: (dueMs: number, index: number) => void) {
  const { perSecond, signal } = pace
  const intervalMs = 1000 / perSecond
  const startMs = performance.now()
  for (let index = 0; !signal.aborted; ) {
    const dueMs = startMs + index * intervalMs
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await delay(Math.max(1, waitMs), undefined, { signal }).catch(() => {})
    else start(dueMs, index++)
    // One that has fallen behind must still read its answers.
    if (waitMs <= 0 && index % STARTS_A_TURN === 0) await nextTurn()
  }
}
