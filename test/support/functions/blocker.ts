// Keeps its event loop from turning: for ever, or for so many milliseconds.

import { defineFunction } from '../../../runner/define-function.js'

export default defineFunction({
  name: process.env.TEST_NAME ?? 'blocker',
  auth: 'public',
  timeoutMs: Number(process.env.TEST_TIMEOUT_MS ?? Number.POSITIVE_INFINITY),
  run: (input) => {
    const untilMs =
      input === 'for ever' ? Number.POSITIVE_INFINITY : performance.now() + Number(input)
    while (performance.now() < untilMs);
    return process.pid
  },
})
