// The calls of a soak: each form asks for something, leaves or reads slowly as chance has it, and knows
// what the answer must be. `FORMS` says how often each is chosen.

import { createHash, randomBytes } from 'node:crypto'
import type { HttpClient, HttpRequest } from '../clients/http-client.js'
import { STALL_CLOCKS_MS, type StallInput } from '../functions/stall-input.js'
import { WORK_TIMEOUT_MS, type WorkInput } from '../functions/work-input.js'
import { tokensBody, tokensEvents } from '../generators/tokens.js'
import type { Random } from '../random.js'
import { chat } from './chat.js'
import { type Expectation, judge, type Verdict } from './verdict.js'

export interface Caller {
  readonly origin: string
  readonly authorization: string
  readonly client: HttpClient
  /** Without a token. */
  readonly stranger: HttpClient
  readonly random: Random
}

export type Form = (caller: Caller, id: string) => Promise<Verdict>

/** Of the gateways: a call waits no longer. */
export const QUEUE_WAIT_MS = 5_000
/** Beyond all clocks, on a machine that does too much at once. */
const GRACE_MS = 20_000
const SLOTH_BYTES_PER_SECOND = 300_000
const SLOTH_CHANCE = 0.15
const LEAVING_CHANCE = 0.1

const JSON_TYPE = { 'content-type': 'application/json' }

const MOST_WORK_MS = 200
const MOST_SLEEP_MS = 3_000
const MOST_TOKENS = 40
const MOST_TOKEN_INTERVAL_MS = 100
const MOST_BODY_BYTES = 2 * 1024 * 1024

/** examples/download.ts: byte i is i mod 251. */
const DOWNLOADED = Buffer.from(Uint8Array.from({ length: MOST_BODY_BYTES }, (_, i) => i % 251))
/** What uploads are cut from: making as many random bytes for each costs more than sending them. */
const UPLOADED = randomBytes(2 * MOST_BODY_BYTES)

export const FORMS: Readonly<Record<string, { share: number; call: Form }>> = {
  work: { share: 30, call: (caller, id) => work(caller, id, 'work') },
  record: { share: 20, call: (caller, id) => work(caller, id, 'record') },
  stream: { share: 10, call: stream },
  upload: { share: 6, call: upload },
  'half upload': { share: 3, call: halfUpload },
  download: { share: 8, call: download },
  socket: { share: 6, call: chat },
  sleep: { share: 6, call: sleep },
  failing: { share: 5, call: failing },
  clocks: { share: 3, call: clocks },
  refused: { share: 3, call: refused },
}

function work(caller: Caller, id: string, functionName: 'work' | 'record'): Promise<Verdict> {
  const input: WorkInput = { id, ms: caller.random.between(1, MOST_WORK_MS) }
  return post(caller, `/${functionName}`, JSON.stringify(input), WORK_TIMEOUT_MS, {
    isRight: ({ body }) => body.toString() === JSON.stringify(input),
    isBeginning: () => false,
  })
}

function sleep(caller: Caller): Promise<Verdict> {
  const ms = caller.random.between(100, MOST_SLEEP_MS)
  return post(caller, '/sleep', JSON.stringify({ ms }), MOST_SLEEP_MS + GRACE_MS, {
    isRight: ({ body }) => body.toString() === JSON.stringify({ sleptMs: ms }),
    isBeginning: () => false,
  })
}

async function stream(caller: Caller): Promise<Verdict> {
  const { client, random } = caller
  const tokens = random.between(1, MOST_TOKENS)
  const intervalMs = random.between(0, MOST_TOKEN_INTERVAL_MS)
  const expected = Buffer.from(
    tokensEvents(tokens)
      .map((event) => `${event}\n\n`)
      .join(''),
  )
  const end = await client.call({
    ...whim(random, tokens * intervalMs),
    method: 'POST',
    path: '/tokens',
    headers: { ...JSON_TYPE, accept: 'text/event-stream' },
    body: tokensBody({ tokens, intervalMs }),
    patienceMs: QUEUE_WAIT_MS + MOST_TOKENS * MOST_TOKEN_INTERVAL_MS + 2 * GRACE_MS,
  })
  return judge(end, bytesOf(expected))
}

async function upload({ client, random }: Caller): Promise<Verdict> {
  const body = someBytes(random)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const end = await client.call({ ...whim(random, 200), ...uploadOf(body) })
  return judge(end, {
    isRight: (answer) =>
      answer.body.toString() === JSON.stringify({ bytes: body.byteLength, sha256 }),
    isBeginning: () => false,
  })
}

async function halfUpload({ client, random }: Caller): Promise<Verdict> {
  const body = someBytes(random)
  const end = await client.call({
    ...uploadOf(body),
    sentBytes: random.between(0, body.byteLength - 1),
    leaveAfterMs: random.between(1, 2_000),
  })
  // Whatever it is told by then: there is no right answer to half a body.
  return judge(end, { isBeginning: () => false })
}

async function download({ client, random }: Caller): Promise<Verdict> {
  const bytes = random.between(1, MOST_BODY_BYTES)
  const end = await client.call({
    ...whim(random, 200),
    method: 'GET',
    path: `/download?bytes=${bytes}`,
    patienceMs: QUEUE_WAIT_MS + (bytes / SLOTH_BYTES_PER_SECOND) * 1000 + 2 * GRACE_MS,
  })
  return judge(end, bytesOf(DOWNLOADED.subarray(0, bytes)))
}

function failing(caller: Caller): Promise<Verdict> {
  const asked = ['bad_request', 'forbidden', 'not_found', 'conflict', 'rate_limited', undefined]
  const code = caller.random.pick(asked)
  return post(caller, '/fail', JSON.stringify({ code }), GRACE_MS, {
    code: code ?? 'function_failed',
    isBeginning: () => false,
  })
}

async function clocks(caller: Caller): Promise<Verdict> {
  const clock = caller.random.pick(['first_byte_timed_out', 'idle_timed_out', 'timed_out'] as const)
  const input: StallInput = { clock }
  const end = await caller.client.call({
    method: 'POST',
    path: '/stall',
    headers: { ...JSON_TYPE, accept: 'text/event-stream' },
    body: JSON.stringify(input),
    patienceMs: QUEUE_WAIT_MS + STALL_CLOCKS_MS.timeoutMs + GRACE_MS,
  })
  return judge(end, { code: clock, isBeginning: isBeats })
}

async function refused({ client, stranger, random }: Caller): Promise<Verdict> {
  const [path, body, code, caller] = random.pick([
    ['/nowhere', '{}', 'not_found', client],
    ['/sleep', '{"ms":-1}', 'invalid_input', client],
    ['/sleep', '{"ms":', 'bad_request', client],
    ['/sleep', '{"ms":1}', 'unauthenticated', stranger],
  ] as const)
  const end = await caller.call({
    ...{ method: 'POST', path, headers: JSON_TYPE, body },
    patienceMs: QUEUE_WAIT_MS + GRACE_MS,
  })
  return judge(end, { code, isBeginning: () => false })
}

async function post(
  { client, random }: Caller,
  path: string,
  body: string,
  longestMs: number,
  expected: Expectation,
): Promise<Verdict> {
  const end = await client.call({
    ...whim(random, MOST_WORK_MS),
    ...{ method: 'POST', path, headers: JSON_TYPE, body },
    patienceMs: QUEUE_WAIT_MS + longestMs + GRACE_MS,
  })
  return judge(end, expected)
}

function someBytes(random: Random): Buffer {
  const offset = random.between(0, MOST_BODY_BYTES)
  return UPLOADED.subarray(offset, offset + random.between(1, MOST_BODY_BYTES))
}

function uploadOf(body: Buffer): HttpRequest {
  return {
    method: 'POST',
    path: '/digest',
    headers: { 'content-type': 'application/octet-stream' },
    body,
    patienceMs: QUEUE_WAIT_MS + 2 * GRACE_MS,
  }
}

/** Some leave, at any moment of their call; some read slowly; some come on a connection of their own. */
function whim(random: Random, usualMs: number): Partial<HttpRequest> {
  const leaves = random.chance(LEAVING_CHANCE)
  return {
    ...(leaves ? { leaveAfterMs: random.between(1, usualMs) } : {}),
    ...(random.chance(SLOTH_CHANCE) ? { readBytesPerSecond: SLOTH_BYTES_PER_SECOND } : {}),
    isNewcomer: random.chance(LEAVING_CHANCE),
  }
}

function bytesOf(expected: Buffer): Expectation {
  return {
    isRight: ({ body }) => body.equals(expected),
    isBeginning: (body) => body.equals(expected.subarray(0, body.byteLength)),
  }
}

function isBeats(body: Buffer): boolean {
  const events = body.toString().split('\n\n')
  // The last is empty, or the beginning of one.
  return events.slice(0, -1).every((event, beat) => event === `data: ${JSON.stringify({ beat })}`)
}
