// The client that does a bit of everything at once, each kind of call at its own pace, and compares every
// answer: a MixLoad in its first argument, a MixResult on stdout.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import WebSocket from 'ws'
import type { CallEnd } from '../clients/call-end.js'
import { HttpClient, type HttpRequest } from '../clients/http-client.js'
import { atPace } from '../clients/pace.js'
import { problemCode } from '../clients/problem.js'
import { Tally } from '../clients/tally.js'
import { LatencyHistogram } from './latency-histogram.js'
import {
  type KindResult,
  MESSAGE_INTERVAL_MS,
  type MixLoad,
  type MixResult,
  TOKEN_INTERVAL_MS,
  TOKENS_A_STREAM,
} from './mix.js'
import { tokensBody, tokensEvents } from './tokens.js'

const PATIENCE_MS = 30_000
/** examples/download.ts: byte i is i mod 251. */
const PATTERN_PERIOD = 251

const load = JSON.parse(process.argv[2]!) as MixLoad
const { origin, authorization, transferBytes } = load
const client = new HttpClient(origin, { authorization })
const stranger = new HttpClient(origin)
const over = new AbortController()

class Kind {
  readonly #latency = new LatencyHistogram()
  readonly #errors = new Tally()
  #right = 0

  onRight(ms: number): void {
    this.#right += 1
    this.#latency.record(ms)
  }

  onWrong(how: string): void {
    this.#errors.add(how)
  }

  result(): KindResult {
    const { distribution } = this.#latency
    return {
      ...{ count: this.#right, seconds: load.seconds, latency: distribution },
      errors: this.#errors.counts,
    }
  }
}

interface Asked {
  readonly request: Omit<HttpRequest, 'patienceMs'>
  readonly by?: HttpClient
  isRight(end: CallEnd): boolean
  /** That the answer takes by itself. */
  readonly ownMs?: number
}

const kinds = new Map<string, Kind>()
const work = [
  calls('stream', load.streams / ((TOKENS_A_STREAM * TOKEN_INTERVAL_MS) / 1000), stream()),
  calls('upload', load.uploadsPerSecond, upload()),
  calls('download', load.downloadsPerSecond, download()),
  calls('refused', load.refusalsPerSecond, refusals()),
  chats('message', load.sockets),
]
await delay(load.seconds * 1000)
over.abort()
await Promise.all(work)
client.close()
stranger.close()
const result: MixResult = Object.fromEntries([...kinds].map(([name, it]) => [name, it.result()]))
console.log(JSON.stringify(result))

/** Calls that are due at a steady pace, each in its turn of what there is to ask. */
async function calls(name: string, perSecond: number, turns: readonly Asked[]): Promise<void> {
  if (perSecond === 0) return
  const kind = new Kind()
  kinds.set(name, kind)
  const open = new Set<Promise<void>>()
  await atPace({ perSecond, signal: over.signal }, (dueMs, index) => {
    const asked = turns[index % turns.length]!
    const call = makeCall(kind, asked, dueMs).finally(() => open.delete(call))
    open.add(call)
  })
  await Promise.all(open)
}

async function makeCall(kind: Kind, asked: Asked, dueMs: number): Promise<void> {
  const end = await (asked.by ?? client).call({ ...asked.request, patienceMs: PATIENCE_MS })
  if (asked.isRight(end)) kind.onRight(performance.now() - dueMs - (asked.ownMs ?? 0))
  else kind.onWrong(howItEnded(end))
}

function howItEnded(end: CallEnd): string {
  if (end.how === 'lost') return `lost: ${end.reason}`
  if (end.how !== 'answered') return end.how
  return `${end.answer.status} ${problemCode(end.answer) ?? 'with wrong content'}`
}

function stream(): Asked[] {
  const expected = tokensEvents(TOKENS_A_STREAM)
    .map((event) => `${event}\n\n`)
    .join('')
  return [
    {
      request: {
        ...{ method: 'POST', path: '/tokens' },
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
        body: tokensBody({ tokens: TOKENS_A_STREAM, intervalMs: TOKEN_INTERVAL_MS }),
      },
      isRight: (end) => isWhole(end) && end.answer.body.toString() === expected,
      ownMs: TOKENS_A_STREAM * TOKEN_INTERVAL_MS,
    },
  ]
}

function upload(): Asked[] {
  const body = randomBytes(transferBytes)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const expected = JSON.stringify({ bytes: transferBytes, sha256 })
  const headers = { 'content-type': 'application/octet-stream' }
  return [
    {
      request: { method: 'POST', path: '/digest', headers, body },
      isRight: (end) => isWhole(end) && end.answer.body.toString() === expected,
    },
  ]
}

function download(): Asked[] {
  const expected = Buffer.from(
    Uint8Array.from({ length: transferBytes }, (_, i) => i % PATTERN_PERIOD),
  )
  return [
    {
      request: { method: 'GET', path: `/download?bytes=${transferBytes}` },
      isRight: (end) => isWhole(end) && end.answer.body.equals(expected),
    },
  ]
}

/** Without a token, to nowhere, and with what the function does not take. */
function refusals(): Asked[] {
  const refusal = (path: string, body: string, code: string, by?: HttpClient): Asked => ({
    request: { method: 'POST', path, headers: { 'content-type': 'application/json' }, body },
    isRight: (end) => end.how === 'answered' && problemCode(end.answer) === code,
    ...(by ? { by } : {}),
  })
  return [
    refusal('/echo', '{}', 'unauthenticated', stranger),
    refusal('/nowhere', '{}', 'not_found'),
    refusal('/tokens', '{"count":0}', 'invalid_input'),
  ]
}

function isWhole(end: CallEnd): end is Extract<CallEnd, { how: 'answered' }> {
  return end.how === 'answered' && end.answer.status === 200
}

async function chats(name: string, sockets: number): Promise<void> {
  if (sockets === 0) return
  const kind = new Kind()
  kinds.set(name, kind)
  await Promise.all(
    Array.from({ length: sockets }, async (_, index) => {
      // Spread over the interval, so that they do not all speak in one moment.
      await delay((index / sockets) * MESSAGE_INTERVAL_MS)
      await chat(kind, index).catch((error) => kind.onWrong(reasonOf(error)))
    }),
  )
}

async function chat(kind: Kind, index: number): Promise<void> {
  const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/chat`, {
    ...{ headers: { authorization }, perMessageDeflate: false, handshakeTimeout: PATIENCE_MS },
  })
  await once(socket, 'open')
  const startMs = performance.now()
  for (let said = 0; !over.signal.aborted; said += 1) {
    const text = `message ${said} of socket ${index}`
    const dueMs = startMs + said * MESSAGE_INTERVAL_MS
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await delay(waitMs)
    const sentMs = performance.now()
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
    socket.send(text)
    const [data, isBinary] = await answer
    if (isBinary || String(data) !== text) kind.onWrong('another message')
    else kind.onRight(performance.now() - sentMs)
  }
  const closed = once(socket, 'close')
  socket.close(1000)
  const [code] = await closed
  if (code !== 1000) kind.onWrong(`closed with ${code}`)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
