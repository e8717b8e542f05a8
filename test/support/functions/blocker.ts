// Keeps its event loop from turning, for ever or for so many milliseconds; it sleeps, so that the tests
// beside it can go on.

import { defineFunction } from '../../../runner/define-function.js'

export default defineFunction({
  name: process.env.TEST_NAME ?? 'blocker',
  auth: 'public',
  timeoutMs: Number(process.env.TEST_TIMEOUT_MS ?? Number.POSITIVE_INFINITY),
  run: (input) => {
    const ms = input === 'for ever' ? Number.POSITIVE_INFINITY : Number(input)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    return process.pid
  },
})
