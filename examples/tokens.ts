// Stands in for a language model: one value a token, at a chosen pace.

import { setTimeout } from 'node:timers/promises'
import { defineFunction } from 'callgate'
import { z } from 'zod'

const TokensRequest = z.object({
  count: z.int().min(1).max(100_000),
  intervalMs: z.number().min(0).max(60_000).default(0),
  text: z.string().trim().min(1).default('The quick brown fox jumps over the lazy dog.'),
})

export default defineFunction({
  maxInputs: 1000,
  input: TokensRequest,
  run: async function* ({ count, intervalMs, text }, { signal }) {
    const words = text.split(/\s+/)
    for (let index = 0; index < count; index++) {
      if (intervalMs > 0) await setTimeout(intervalMs, undefined, { signal })
      yield { index, text: words[index % words.length] }
    }
  },
})
