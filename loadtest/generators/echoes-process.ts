// Opens all WebSockets, then lets each send its messages and compares every echo, in a process of its
// own: an EchoesLoad in its first argument, a LoadResult on stdout. The clock runs from the moment in
// which all are open to the last echo. No two messages are alike, so none can stand in for another.

import { createHistogram } from 'node:perf_hooks'
import WebSocket from 'ws'
import { sum } from '../report/statistics.js'
import { Counter } from './counter.js'
import type { EchoesLoad } from './echoes.js'
import { latencyCurve } from './latency-curve.js'
import type { LoadResult } from './load.js'

// As many as any listen queue holds.
const OPENING_AT_ONCE = 100

const STALL_MS = 30_000
const NORMAL_CLOSE_CODE = 1000

const load = JSON.parse(process.argv[2]!) as EchoesLoad
const roundTripUs = createHistogram()
const errors: Record<string, number> = { refused: 0, wrong: 0, lost: 0 }

const sockets: WebSocket[] = []
for (let opened = 0; opened < load.sockets; opened += OPENING_AT_ONCE) {
  const length = Math.min(OPENING_AT_ONCE, load.sockets - opened)
  const wave = await Promise.all(Array.from({ length }, open))
  sockets.push(...wave.filter((socket) => socket !== undefined))
}
errors.refused = load.sockets - sockets.length
errors.lost = errors.refused * load.messages
const right = new Counter()
const startMs = performance.now()
await Promise.all(sockets.map((socket, index) => pingPong(socket, index)))
const seconds = (performance.now() - startMs) / 1000
await Promise.all(sockets.map(close))
const result: LoadResult = {
  count: sum(right.counts),
  seconds,
  p50Ms: roundTripUs.percentile(50) / 1000,
  p99Ms: roundTripUs.percentile(99) / 1000,
  latency: latencyCurve(roundTripUs),
  counts: right.counts,
  errors,
}
console.log(JSON.stringify(result))

function open(): Promise<WebSocket | undefined> {
  return new Promise((resolve) => {
    const socket = new WebSocket(load.url, {
      headers: load.headers,
      perMessageDeflate: false,
      handshakeTimeout: STALL_MS,
    })
    socket.once('open', () => resolve(socket))
    // A socket that fails later closes as well.
    socket.on('error', () => resolve(undefined))
  })
}

/** Resolves when all have come back, or when no more will. */
function pingPong(socket: WebSocket, index: number): Promise<void> {
  let received = 0
  let sentMs = 0
  let text = ''
  return new Promise((resolve) => {
    const stall = setTimeout(() => socket.terminate(), STALL_MS)
    const send = (): void => {
      text = `message ${received} of socket ${index}`
      sentMs = performance.now()
      socket.send(text)
    }
    const finish = (): void => {
      clearTimeout(stall)
      socket.off('close', onEarlyClose)
      resolve()
    }
    const onEarlyClose = (code: number, reason: Buffer): void => {
      count(`closed early with ${code}${reason.length > 0 ? ` (${reason})` : ''}`)
      count('lost', load.messages - received)
      finish()
    }
    socket.once('close', onEarlyClose)
    // Stays, so that an echo too many is seen while the others go on.
    socket.on('message', (data: Buffer, isBinary) => {
      const isRight = received < load.messages && !isBinary && data.toString() === text
      if (isRight) {
        right.add()
        roundTripUs.record(Math.max(1, Math.round((performance.now() - sentMs) * 1000)))
      } else {
        count('wrong')
      }
      received += 1
      stall.refresh()
      if (received < load.messages) send()
      else if (received === load.messages) finish()
    })
    send()
  })
}

function close(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return Promise.resolve()
  return new Promise((resolve) => {
    socket.once('close', (code) => {
      if (code !== NORMAL_CLOSE_CODE) count(`closed with ${code} at the end`)
      resolve()
    })
    socket.close(NORMAL_CLOSE_CODE)
  })
}

function count(fault: string, times = 1): void {
  errors[fault] = (errors[fault] ?? 0) + times
}
