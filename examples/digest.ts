import { createHash } from 'node:crypto'
import { defineFunction } from 'callgate'

export default defineFunction({
  route: 'POST /digest',
  maxInputs: 16,
  timeoutMs: Number.POSITIVE_INFINITY,
  fetch: async (request) => {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of request.body ?? []) {
      hash.update(chunk)
      bytes += chunk.byteLength
    }
    return Response.json({ bytes, sha256: hash.digest('hex') })
  },
})
