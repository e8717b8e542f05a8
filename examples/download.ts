// As many bytes as are asked for, made while they are read. Byte i is i mod 251, so that whoever
// reads them can check them.

import { defineFunction, PublicError } from 'callgate'

// The most whole periods of the pattern that fit into 256 KiB, so that every chunk starts with 0.
const block = Uint8Array.from({ length: 251 * Math.floor((256 * 1024) / 251) }, (_, i) => i % 251)

export default defineFunction({
  route: 'GET /download',
  maxInputs: 16,
  timeoutMs: Number.POSITIVE_INFINITY,
  fetch: (request) => {
    const bytes = wantedBytes(new URL(request.url).searchParams.get('bytes'))
    return new Response(pattern(bytes), {
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(bytes) },
    })
  },
})

function wantedBytes(parameter: string | null): number {
  const bytes = /^\d+$/.test(parameter ?? '') ? Number(parameter) : Number.NaN
  if (Number.isSafeInteger(bytes)) return bytes
  throw new PublicError('bad_request', 'Say how many bytes: /download?bytes=1000000.')
}

function pattern(bytes: number): ReadableStream<Uint8Array> {
  let leftBytes = bytes
  return new ReadableStream(
    {
      pull(controller) {
        if (leftBytes > 0) controller.enqueue(block.subarray(0, leftBytes))
        leftBytes -= Math.min(leftBytes, block.byteLength)
        if (leftBytes === 0) controller.close()
      },
    },
    { highWaterMark: 0 }, // nothing is made before somebody reads
  )
}
