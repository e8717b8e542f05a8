// Uploads or downloads bodies and looks at every byte, in a process of its own: a BodiesLoad in its
// first argument, a BodiesResult on stdout. Every upload sends its own 256 KiB again and again, so
// that no two streams have the same bytes; what their hashes must be is known before the clock runs.

import { createHash, randomBytes } from 'node:crypto'
import { Agent, type IncomingMessage, request } from 'node:http'
import { json } from 'node:stream/consumers'
import { type BodiesLoad, type BodiesResult, GIB, STALL_MS } from './bodies.js'

type Fault = 'not 200' | 'wrong content' | 'wrong length' | 'cut short'

const BLOCK_BYTES = 256 * 1024

// examples/download.ts: byte i is i mod 251. As much as one read can hold, at every offset.
const PERIOD = 251
const pattern = Uint8Array.from({ length: PERIOD + 1024 * 1024 }, (_, i) => i % PERIOD)

const load = JSON.parse(process.argv[2]!) as BodiesLoad
const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })
const bodies = bodyLengths(load).map((bytes) =>
  load.direction === 'upload' ? prepareUpload(bytes) : { bytes, move: () => download(bytes) },
)

const cpuBefore = process.cpuUsage()
const startMs = performance.now()
const faults = await Promise.all(bodies.map(({ move }) => move()))
const seconds = (performance.now() - startMs) / 1000
const { user, system } = process.cpuUsage(cpuBefore)

const errors: Record<string, number> = {}
for (const fault of faults) if (fault) errors[fault] = (errors[fault] ?? 0) + 1
const moved = bodies.filter((_, index) => faults[index] === undefined)
const result: BodiesResult = {
  count: moved.reduce((total, { bytes }) => total + bytes, 0) / GIB,
  seconds,
  errors,
  cpuMs: (user + system) / 1000,
}
console.log(JSON.stringify(result))

function bodyLengths({ bytes, streams }: BodiesLoad): number[] {
  const length = Math.floor(bytes / streams)
  return Array.from({ length: streams }, (_, index) =>
    index === 0 ? bytes - length * (streams - 1) : length,
  )
}

function prepareUpload(bytes: number) {
  const block = randomBytes(BLOCK_BYTES)
  const sha256 = load.isHashed ? sha256OfRepeated(block, bytes) : undefined
  return { bytes, move: () => upload(block, bytes, sha256) }
}

function sha256OfRepeated(block: Buffer, bytes: number): string {
  const hash = createHash('sha256')
  for (let left = bytes; left > 0; left -= block.byteLength) hash.update(block.subarray(0, left))
  return hash.digest('hex')
}

async function upload(
  block: Buffer,
  bytes: number,
  sha256: string | undefined,
): Promise<Fault | undefined> {
  const headers = {
    ...load.headers,
    'content-type': 'application/octet-stream',
    'content-length': String(bytes),
  }
  const call = request(load.url, { method: 'POST', headers, agent, timeout: STALL_MS })
  let leftBytes = bytes
  const send = (): void => {
    while (leftBytes > 0) {
      const part = block.subarray(0, leftBytes)
      leftBytes -= part.byteLength
      if (!call.write(part)) return
    }
    call.end()
  }
  call.on('drain', () => {
    if (!call.writableEnded) send()
  })
  try {
    const answer = answerTo(call)
    send()
    const response = await answer
    if (response.statusCode !== 200) return 'not 200'
    const body = (await json(response)) as { bytes: number; sha256?: string }
    if (body.bytes !== bytes) return 'wrong length'
    return body.sha256 === sha256 ? undefined : 'wrong content'
  } catch {
    return 'cut short'
  } finally {
    call.destroy()
  }
}

async function download(bytes: number): Promise<Fault | undefined> {
  const url = `${load.url}?bytes=${bytes}`
  const call = request(url, { headers: load.headers, agent, timeout: STALL_MS })
  let receivedBytes = 0
  try {
    const answer = answerTo(call)
    call.end()
    const response = await answer
    if (response.statusCode !== 200) return 'not 200'
    if (response.headers['content-length'] !== String(bytes)) return 'wrong length'
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const phase = receivedBytes % PERIOD
      if (!chunk.equals(pattern.subarray(phase, phase + chunk.byteLength))) return 'wrong content'
      receivedBytes += chunk.byteLength
    }
    return receivedBytes === bytes ? undefined : 'wrong length'
  } catch {
    return 'cut short'
  } finally {
    call.destroy()
  }
}

function answerTo(call: ReturnType<typeof request>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.once('response', resolve)
    call.once('timeout', () => call.destroy(new Error('stalled')))
    // For good: another may follow the first, and none of them may end the process.
    call.on('error', reject)
    call.once('close', () => reject(new Error('closed')))
  })
}
