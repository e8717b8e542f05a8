// Changes the world: every run leaves two lines in a file, which also outlive the process. It must not run
// twice for one call.

import { appendFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { defineFunction } from 'callgate'
import { slots } from './slots.js'
import { WORK_TIMEOUT_MS, type WorkInput } from './work-input.js'

const file = process.env.LOADTEST_RECORD_FILE!

export default defineFunction({
  name: 'record',
  maxInputs: slots,
  timeoutMs: WORK_TIMEOUT_MS,
  run: async (input, { signal }) => {
    const { id, ms } = input as WorkInput
    appendFileSync(file, `begin ${id} ${process.pid}\n`)
    await setTimeout(ms, undefined, { signal })
    appendFileSync(file, `end ${id} ${process.pid}\n`)
    return { id, ms }
  },
})
