// The `fetch` form: a WHATWG Request in, a Response out, both bodies streaming as they are read.

import { headerValue } from '../shared/flat-headers.js'
import type { RunnerCallContext } from './call-context.js'
import type { FetchDeclaration } from './define-function.js'
import type { Reply } from './reply.js'
import type { RequestBody } from './request-body.js'
import { TurnTaker } from './turn-taker.js'

const NO_BODY = new Uint8Array(0)
/** About the connection, not the answer: the gateway's own business. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'trailer',
  'te',
])
/** What Node's `fetch` decodes; if there is any other among them, it leaves the body as it is. */
const DECODED_CODINGS = new Set(['gzip', 'x-gzip', 'deflate', 'br'])
if (isUndici(7, 11)) DECODED_CODINGS.add('zstd')
const NULL_BODY_STATUS = new Set([204, 205, 304])

/** Resolves when the function has settled and the answer has been sent. */
export async function serveFetch(
  declaration: FetchDeclaration<unknown>,
  context: RunnerCallContext<unknown>,
  body: RequestBody,
  hasBody: boolean,
  reply: Reply,
): Promise<void> {
  const response = await declaration.fetch(toRequest(context, body, hasBody), context)
  if (!(response instanceof Response)) throw new TypeError('`fetch` must return a Response.')
  return sendResponse(response, context, reply)
}

/** Sends a Response as it is. */
export async function sendResponse(
  response: Response,
  context: RunnerCallContext<unknown>,
  reply: Reply,
): Promise<void> {
  const headers = flatten(response)
  if (
    response.body === null ||
    NULL_BODY_STATUS.has(response.status) ||
    context.method === 'HEAD'
  ) {
    await response.body?.cancel()
    if (context.method !== 'HEAD' || headerValue(headers, 'content-length') !== null) {
      return reply.whole(response.status, headers, NO_BODY)
    }
    // A whole answer says its length, which is not the one that GET would have.
    reply.head(response.status, headers)
    return reply.end()
  }
  const reader = response.body.getReader()
  // A client that has left ends the stream at its source; its `cancel` runs before the slot is free.
  const onAbort = () => void reader.cancel(context.abortReason).catch(() => {})
  context.signal.addEventListener('abort', onAbort, { once: true })
  const turns = new TurnTaker()
  try {
    const begin = await readAtOnce(reader)
    // All of it at once is a whole answer: one frame instead of three.
    if (begin.rest === null) {
      return await reply.whole(response.status, without(headers, 'content-length'), begin.bytes)
    }
    reply.head(response.status, headers)
    if (begin.bytes.length > 0) await reply.write(begin.bytes)
    for (let next = await begin.rest; !next.done; next = await reader.read()) {
      await reply.write(asBytes(next.value))
      const turn = turns.afterPiece()
      if (turn !== null) await turn
    }
    if (context.abortReason !== null) throw context.abortReason
    reply.end()
  } catch (error) {
    await reader.cancel(error).catch(() => {})
    throw error
  } finally {
    turns.end()
    context.signal.removeEventListener('abort', onAbort)
  }
}

function toRequest(
  context: RunnerCallContext<unknown>,
  body: RequestBody,
  hasBody: boolean,
): Request {
  const init: RequestInit & { duplex?: 'half' } = {
    method: context.method,
    headers: context.headers,
    signal: context.signal,
  }
  if (hasBody && context.method !== 'GET' && context.method !== 'HEAD') {
    init.body = body.stream()
    init.duplex = 'half'
  }
  return new Request(urlOf(context), init)
}

/** The client's URL, as far as it can be known behind proxies: their `x-forwarded-proto`, the Host header. */
function urlOf(context: RunnerCallContext<unknown>): string {
  const scheme = context.header('x-forwarded-proto') === 'https' ? 'https' : 'http'
  const host = context.header('host') ?? ''
  const isPlain = /^[A-Za-z0-9.:[\]_-]+$/.test(host) && URL.canParse(`${scheme}://${host}/`)
  return `${scheme}://${isPlain ? host : 'localhost'}${context.url}`
}

function flatten(response: Response): string[] {
  const { headers } = response
  const isDecoded = isDecodedByFetch(response)
  const flat: string[] = []
  for (const [name, value] of headers) {
    if (HOP_BY_HOP.has(name)) continue
    if (isDecoded && (name === 'content-encoding' || name === 'content-length')) continue
    flat.push(name, value)
  }
  // A proxy that gathers an event stream would give it to the client at its end.
  const isEventStream = headers.get('content-type')?.startsWith('text/event-stream')
  if (isEventStream && !headers.has('x-accel-buffering')) flat.push('x-accel-buffering', 'no')
  return flat
}

/** A Response that `fetch` made keeps the headers of the body as it was sent, and has it decoded. */
function isDecodedByFetch(response: Response): boolean {
  if (response.url === '') return false
  const codings = response.headers.get('content-encoding')?.toLowerCase().split(',')
  return codings?.every((coding) => DECODED_CODINGS.has(coding.trim())) ?? false
}

/** Whether Node's `fetch` is of this version of undici, or a later one. */
function isUndici(major: number, minor: number): boolean {
  const [ourMajor = 0, ourMinor = 0] = (process.versions.undici ?? '').split('.').map(Number)
  return ourMajor > major || (ourMajor === major && ourMinor >= minor)
}

function without(headers: readonly string[], name: string): string[] {
  return headers.filter((_, index) => headers[index - (index % 2)] !== name)
}

function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  throw new TypeError('The body of a Response must be a stream of bytes.')
}

interface Begin {
  readonly bytes: Uint8Array
  /** The next read, under way; null when the stream has ended. */
  readonly rest: ReturnType<ReadableStreamDefaultReader<unknown>['read']> | null
}

/** One chunk at most, and whether that is all, as far as this turn of the event loop knows. */
async function readAtOnce(reader: ReadableStreamDefaultReader<unknown>): Promise<Begin> {
  const first = reader.read()
  const chunk = await inThisTurn(first)
  if (chunk === null) return { bytes: NO_BODY, rest: first }
  if (chunk.done) return { bytes: NO_BODY, rest: null }
  const second = reader.read()
  const next = await inThisTurn(second)
  return { bytes: asBytes(chunk.value), rest: next?.done ? null : second }
}

/** What the promise resolves to, or null when it has not by the end of this turn. */
function inThisTurn<T>(promise: Promise<T>): Promise<T | null> {
  return Promise.race([promise, new Promise<null>((resolve) => setImmediate(resolve, null))])
}
