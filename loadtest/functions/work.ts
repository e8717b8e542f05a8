// Takes the time that it is told to take. It changes nothing, and may run again.

import { setTimeout } from 'node:timers/promises'
import { defineFunction } from 'callgate'
import { slots } from './slots.js'
import { WORK_TIMEOUT_MS, type WorkInput } from './work-input.js'

export default defineFunction({
  name: 'work',
  maxInputs: slots,
  idempotent: true,
  timeoutMs: WORK_TIMEOUT_MS,
  run: async (input, { signal }) => {
    const { id, ms } = input as WorkInput
    await setTimeout(ms, undefined, { signal })
    return { id, ms }
  },
})
