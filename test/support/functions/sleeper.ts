// Sleeps for as long as it is told, one value or (`count`) several; or begins and never comes back (`deaf`),
// however often it is told to stop.

import { setTimeout } from 'node:timers/promises'
import { defineFunction } from '../../../runner/define-function.js'

interface Input {
  ms?: number
  count?: number
  deaf?: boolean
}

export default defineFunction({
  name: 'sleeper',
  auth: 'public',
  maxInputs: Number(process.env.TEST_MAX_INPUTS ?? 1),
  timeoutMs: 600_000,
  idempotent: process.env.TEST_IDEMPOTENT === 'yes',
  run: async (input, { signal }) => {
    const { ms = 0, count, deaf } = input as Input
    if (deaf) return neverBack()
    if (count !== undefined) return ticks(ms, count, signal)
    await setTimeout(ms, undefined, { signal })
    return { pid: process.pid }
  },
})

async function* neverBack() {
  yield 'begun'
  await new Promise(() => {})
}

async function* ticks(ms: number, count: number, signal: AbortSignal) {
  for (let tick = 0; tick < count; tick++) {
    yield tick
    await setTimeout(ms, undefined, { signal })
  }
}
