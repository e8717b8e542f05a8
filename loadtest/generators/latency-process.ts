// The client that measures the time of single calls: a LatencyLoad in its first argument, a LatencyResult on
// stdout. Plain sockets and as little work as can be between an answer and the next request, because
// its own time is part of what it measures.
//
// With `perSecond` a call's time begins when it was due, whether a connection was free then or not: a
// client that waits for answers would measure a stall once, and not for all who come in it.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { LatencyLoad, LatencyResult } from './latency.js'
import { LatencyHistogram } from './latency-histogram.js'
import { CALL_TIMEOUT_MS } from './load.js'
import { startMetronome } from './metronome.js'

const POLL_MS = 5

const load = JSON.parse(process.argv[2]!) as LatencyLoad
const { hostname, port, host, pathname } = new URL(load.url)
const requestText = Buffer.from(requestOf(load))
const expected = Buffer.from(load.body)
const latency = new LatencyHistogram()
const lateness = new LatencyHistogram()
const errors = { 'not 2xx': 0, 'wrong body': 0, 'no answer in time': 0, 'connection closed': 0 }
let right = 0
let isStopping = false
let isOver = false

/** One call at a time. */
class Caller {
  readonly #socket: Socket
  readonly #onFree: (caller: Caller) => void
  #fromMs = 0
  #isBusy = false
  #unread: Buffer | null = null

  constructor(socket: Socket, onFree: (caller: Caller) => void) {
    this.#socket = socket
    this.#onFree = onFree
    socket.on('data', (bytes) => this.#onData(bytes))
    socket.on('error', () => {})
    socket.on('close', () => {
      if (isOver) return
      errors['connection closed'] += 1
      this.#isBusy = false
    })
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  call(dueMs: number): void {
    const nowMs = performance.now()
    this.#isBusy = true
    this.#fromMs = Math.min(dueMs, nowMs)
    this.#socket.write(requestText)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #onData(bytes: Buffer): void {
    const answer = this.#unread === null ? bytes : Buffer.concat([this.#unread, bytes])
    const headEnd = answer.indexOf('\r\n\r\n')
    const head = headEnd === -1 ? '' : answer.toString('latin1', 0, headEnd)
    const end = headEnd + 4 + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? Number.NaN)
    if (headEnd === -1 || answer.length < end) {
      this.#unread = answer
      return
    }
    this.#unread = null
    this.#isBusy = false
    if (head.slice(9, 12) !== '200') errors['not 2xx'] += 1
    else if (!answer.subarray(headEnd + 4).equals(expected)) errors['wrong body'] += 1
    else {
      right += 1
      latency.record(performance.now() - this.#fromMs)
    }
    this.#onFree(this)
  }
}

const callers: Caller[] = []
const idle: Caller[] = []
/** Due, and without a connection that is free. */
const waiting: number[] = []

while (callers.length < load.connections) {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  callers.push(new Caller(socket, load.perSecond === undefined ? callAgain : callNext))
}
if (load.perSecond !== undefined) idle.push(...callers)
const metronome =
  load.perSecond === undefined ? null : await startMetronome(load.perSecond, callWhenFree)
const startMs = performance.now()
if (metronome === null) for (const caller of callers) caller.call(startMs)
await delay(load.seconds * 1000)
const seconds = (performance.now() - startMs) / 1000
isStopping = true
await metronome?.stop()
await settled()
isOver = true
for (const caller of callers) caller.destroy()
const result: LatencyResult = {
  count: right,
  seconds,
  errors,
  latency: latency.distribution,
  lateness: lateness.distribution,
}
console.log(JSON.stringify(result))

function callAgain(caller: Caller): void {
  if (!isStopping) caller.call(performance.now())
}

function callWhenFree(dueMs: number): void {
  lateness.record(performance.now() - dueMs)
  const caller = idle.pop()
  if (caller === undefined) waiting.push(dueMs)
  else caller.call(dueMs)
}

function callNext(caller: Caller): void {
  const dueMs = waiting.shift()
  if (dueMs === undefined) idle.push(caller)
  else caller.call(dueMs)
}

/** Those that nobody has answered after a while are counted, too: a stall must not look like silence. */
async function settled(): Promise<void> {
  const deadline = performance.now() + CALL_TIMEOUT_MS
  const left = () => callers.filter((caller) => caller.isBusy).length + waiting.length
  while (left() > 0 && performance.now() < deadline) await delay(POLL_MS)
  errors['no answer in time'] = left()
}

function requestOf({ headers, body }: LatencyLoad): string {
  const fields = { host, ...headers, 'content-length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}
