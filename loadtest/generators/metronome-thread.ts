// The thread of a metronome: a message whenever something is due. The kernel wakes a sleeper some time after
// what it has asked for; how long, is learned and allowed for.

import { once } from 'node:events'
import { parentPort } from 'node:worker_threads'

/** Weight of the last sleep in what is learned of all. */
const LEARNING = 0.05
/** Longer than that was a stall of the machine, and says nothing of the next sleep. */
const STALL_MS = 1

const port = parentPort!
const sleeper = new Int32Array(new SharedArrayBuffer(4))
let oversleepMs = 0

port.postMessage('ready')
const [{ intervalMs, firstDueMs }] = await once(port, 'message')
for (let dueMs = firstDueMs - performance.timeOrigin; ; dueMs += intervalMs) {
  const waitMs = dueMs - performance.now() - oversleepMs
  if (waitMs > 0) {
    Atomics.wait(sleeper, 0, 0, waitMs)
    const overMs = performance.now() - dueMs + oversleepMs
    if (overMs < STALL_MS) oversleepMs += (overMs - oversleepMs) * LEARNING
  }
  port.postMessage('due')
}
