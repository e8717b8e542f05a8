// Runs into each of its clocks, as its caller wants it.

import { setTimeout } from 'node:timers/promises'
import { defineFunction } from 'callgate'
import { slots } from './slots.js'
import { STALL_CLOCKS_MS, type StallInput } from './stall-input.js'

const FOR_EVER_MS = 600_000
const BEAT_MS = 100

export default defineFunction({
  name: 'stall',
  maxInputs: slots,
  ...STALL_CLOCKS_MS,
  run: async function* (input, { signal }) {
    const { clock } = input as StallInput
    if (clock === 'first_byte_timed_out') await setTimeout(FOR_EVER_MS, undefined, { signal })
    yield { beat: 0 }
    if (clock === 'idle_timed_out') await setTimeout(FOR_EVER_MS, undefined, { signal })
    for (let beat = 1; ; beat++) {
      await setTimeout(BEAT_MS, undefined, { signal })
      yield { beat }
    }
  },
})
