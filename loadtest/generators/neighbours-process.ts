// The process of the neighbours: a NeighboursLoad in its first argument, its address in a line on stdout. One
// client reads a download at the pace that it was told, and looks at every byte; one sends an upload piece by
// piece, with long stalls. `POST /come` is answered when both are under way, `POST /go` with a NeighboursResult
// when they have left.

import { once } from 'node:events'
import { type ClientRequest, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { GIB } from './bodies.js'
import type { NeighboursLoad, NeighboursResult } from './neighbours.js'

const BODY_BYTES = 4 * GIB
const PIECE_BYTES = 1024 * 1024
const TICK_MS = 100

// examples/download.ts: byte i is i mod 251. As much as one read can hold, at every offset.
const PERIOD = 251
const pattern = Uint8Array.from({ length: PERIOD + PIECE_BYTES }, (_, i) => i % PERIOD)

const load = JSON.parse(process.argv[2]!) as NeighboursLoad

class Visit {
  downloadedBytes = 0
  readonly errors: Record<string, number> = {}
  readonly #startMs = performance.now()
  readonly #end = new AbortController()
  readonly #calls: ClientRequest[] = []

  /** Resolves when both are under way; they go on by themselves. */
  async begin(): Promise<void> {
    await Promise.all([this.#download(), this.#upload()])
  }

  end(): NeighboursResult {
    const { downloadedBytes, errors } = this
    this.#end.abort()
    for (const call of this.#calls) call.destroy()
    return { downloadedBytes, errors, seconds: (performance.now() - this.#startMs) / 1000 }
  }

  async #download(): Promise<void> {
    const url = `${load.downloadUrl}?bytes=${BODY_BYTES}`
    const call = this.#request(url, 'GET', 'download')
    const answer = once(call.end(), 'response') as Promise<[IncomingMessage]>
    const [response] = await answer
    if (response.statusCode !== 200) return this.#fail(`download answered ${response.statusCode}`)
    response.on('error', () => {})
    response.on('close', () => this.#fail('download ended'))
    while (!this.#read(response)) await once(response, 'readable', { signal: this.#end.signal })
    void this.#goOn(async () => {
      await delay(TICK_MS, undefined, { signal: this.#end.signal })
      this.#read(response)
    })
  }

  /** As much as is due. False when there was nothing. */
  #read(response: IncomingMessage): boolean {
    const seconds = (performance.now() - this.#startMs) / 1000
    const dueBytes = Math.ceil(seconds * load.downloadBytesPerSecond) - this.downloadedBytes
    const bytes = Math.min(dueBytes, response.readableLength)
    const chunk: Buffer | null = bytes > 0 ? response.read(bytes) : response.read(0)
    if (chunk === null) return false
    const phase = this.downloadedBytes % PERIOD
    if (!chunk.equals(pattern.subarray(phase, phase + chunk.length))) this.#fail('wrong content')
    this.downloadedBytes += chunk.length
    return true
  }

  async #upload(): Promise<void> {
    const call = this.#request(load.uploadUrl, 'POST', 'upload')
    call.setHeader('content-length', BODY_BYTES)
    call.on('response', () => this.#fail('upload was answered'))
    const send = () => new Promise<void>((resolve) => call.write(piece, () => resolve()))
    const piece = Buffer.alloc(PIECE_BYTES)
    await send()
    void this.#goOn(async () => {
      await delay(load.uploadStallSeconds * 1000, undefined, { signal: this.#end.signal })
      await send()
    })
  }

  /** Again and again, to the end of the visit. */
  async #goOn(step: () => Promise<void>): Promise<void> {
    while (!this.#end.signal.aborted) {
      await step().catch((error: unknown) => {
        if (!this.#end.signal.aborted) throw error
      })
    }
  }

  #request(url: string, method: string, name: string): ClientRequest {
    const call = request(url, { method, headers: load.headers, agent: false })
    this.#calls.push(call)
    call.on('error', () => this.#fail(`${name} broke off`))
    return call
  }

  #fail(fault: string): void {
    if (!this.#end.signal.aborted) this.errors[fault] = (this.errors[fault] ?? 0) + 1
  }
}

let visit: Visit | null = null
const server = createServer(async (request, response) => {
  try {
    if (request.url === '/come') {
      visit = new Visit()
      await visit.begin()
      response.end()
    } else {
      response.end(JSON.stringify(visit!.end()))
      visit = null
    }
  } catch (error) {
    response.writeHead(500).end(String(error))
  }
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
console.log(JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${port}` }))
