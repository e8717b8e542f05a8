// Says when the next call is due, to some microseconds: timers of an event loop know whole milliseconds only,
// and a loop that polls would take a core from what it measures. A thread of its own sleeps and wakes us.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

export interface Metronome {
  stop(): Promise<void>
}

/** What is due so soon is due now: the thread is as often a little early as it is late. */
const EARLY_MS = 0.02

/**
 * Resolves when it runs. Calls `onDue` with the times at which something is due, as this thread's
 * `performance.now()` tells it; what was passed over in a stall comes at once, each with its own time.
 */
export async function startMetronome(
  perSecond: number,
  onDue: (dueMs: number) => void,
): Promise<Metronome> {
  const thread = new Worker(new URL('./metronome-thread.js', import.meta.url))
  await once(thread, 'message')
  const intervalMs = 1000 / perSecond
  let nextDueMs = performance.now() + intervalMs
  thread.on('message', () => {
    const untilMs = performance.now() + EARLY_MS
    for (; nextDueMs <= untilMs; nextDueMs += intervalMs) onDue(nextDueMs)
  })
  thread.postMessage({ intervalMs, firstDueMs: performance.timeOrigin + nextDueMs })
  return { stop: async () => void (await thread.terminate()) }
}
