// Opens all event streams at once, again and again, and compares every event, in a process of its own: a
// TokensLoad in its first argument, a LoadResult on stdout. Plain sockets, so that a thousand clients cost
// less than what they measure. They connect first, a few at a time, and then all send their request.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createHistogram } from 'node:perf_hooks'
import { sum } from '../report/statistics.js'
import { Counter } from './counter.js'
import { EventStreamAnswer } from './event-stream-answer.js'
import { latencyCurve } from './latency-curve.js'
import type { LoadResult } from './load.js'
import { type TokensLoad, tokensBody, tokensEvents } from './tokens.js'

// As many as any listen queue holds.
const CONNECTING_AT_ONCE = 100

const STALL_MS = 30_000

const load = JSON.parse(process.argv[2]!) as TokensLoad
const { hostname, port, host, pathname } = new URL(load.url)
const expected = tokensEvents(load.tokens)
const requestText = requestOf(tokensBody(load))
const firstTokenUs = createHistogram()
const errors = { refused: 0, wrong: 0, missing: 0, 'without an end': 0 }

const sockets: Socket[] = []
while (sockets.length < load.streams) {
  const length = Math.min(CONNECTING_AT_ONCE, load.streams - sockets.length)
  const wave = Array.from({ length }, () => connect({ host: hostname, port: Number(port) }))
  await Promise.all(wave.map((socket) => once(socket, 'connect')))
  sockets.push(...wave)
}
const right = new Counter()
const startMs = performance.now()
const lastBeginMs = startMs + load.seconds * 1000
await Promise.all(sockets.map(readStreams))
const result: LoadResult = {
  count: sum(right.counts),
  seconds: (performance.now() - startMs) / 1000,
  p50Ms: firstTokenUs.percentile(50) / 1000,
  p99Ms: firstTokenUs.percentile(99) / 1000,
  latency: latencyCurve(firstTokenUs),
  counts: right.counts,
  errors,
}
console.log(JSON.stringify(result))

function readStreams(socket: Socket): Promise<void> {
  let received = 0
  let sentMs = 0
  let answer: EventStreamAnswer
  const onEvent = (event: string) => {
    if (received === 0)
      firstTokenUs.record(Math.max(1, Math.round((performance.now() - sentMs) * 1000)))
    if (event === expected[received]) right.add()
    else errors.wrong += 1
    received += 1
  }
  const ask = () => {
    received = 0
    sentMs = performance.now()
    answer = new EventStreamAnswer(onEvent)
    socket.write(requestText)
  }
  return new Promise((resolve) => {
    socket.on('data', (bytes) => {
      answer.push(bytes)
      if (!answer.isOver) return
      const isWhole = answer.status === 200 && answer.hasEnded && received === load.tokens
      if (isWhole && performance.now() < lastBeginMs) ask()
      else socket.destroy()
    })
    // A reset tells nothing that the count of tokens does not.
    socket.on('error', () => {})
    socket.setTimeout(STALL_MS, () => socket.destroy())
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      errors.missing += Math.max(0, load.tokens - received)
      if (answer.status !== 200) errors.refused += 1
      else if (!answer.hasEnded) errors['without an end'] += 1
      resolve()
    })
    ask()
  })
}

function requestOf(body: string): string {
  const headers = {
    host,
    ...load.headers,
    accept: 'text/event-stream',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}
