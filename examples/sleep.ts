import { setTimeout } from 'node:timers/promises'
import { defineFunction } from 'callgate'
import { z } from 'zod'

export default defineFunction({
  maxInputs: 1000,
  timeoutMs: 610_000, // a little more than the longest sleep
  input: z.object({ ms: z.number().min(0).max(600_000) }),
  run: async ({ ms }, { signal }) => {
    await setTimeout(ms, undefined, { signal })
    return { sleptMs: ms }
  },
})
