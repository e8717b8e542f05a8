// Throws where no call can catch it: a promise that nobody waits for (`reject`), a timer (`throw`). With
// TEST_BREAK, `import` or `load`, in the middle of that, which then never ends. Streams, when it is told
// how much (`count`).

import { setTimeout as delay } from 'node:timers/promises'
import { defineFunction } from '../../../runner/define-function.js'

interface Input {
  reject?: boolean
  throw?: boolean
  ms?: number
  count?: number
}

const { TEST_BREAK } = process.env

function throwLater(): void {
  setImmediate(() => {
    throw new Error('nobody catches this')
  })
}

if (TEST_BREAK === 'import') {
  throwLater()
  // A promise alone would not keep the process.
  await delay(600_000)
}

export default defineFunction({
  name: 'breaker',
  auth: 'public',
  maxInputs: 4,
  load: async () => {
    // Neither keeps a runner from loading.
    void Promise.reject(new Error('nobody waits for the load of this'))
    if (TEST_BREAK !== 'load') return
    throwLater()
    await delay(600_000)
  },
  run: async (input) => {
    const order = input as Input
    if (order.count !== undefined) return ticks(order.ms!, order.count)
    if (order.reject) void Promise.reject(new Error('nobody waits for this'))
    if (order.throw) throwLater()
    // The rejection, or the exception, comes before the answer.
    await delay(1)
    return { pid: process.pid }
  },
})

async function* ticks(ms: number, count: number) {
  for (let tick = 0; tick < count; tick++) {
    yield tick
    await delay(ms)
  }
}
