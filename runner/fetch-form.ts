// The `fetch` form: a WHATWG Request in, a Response out, both bodies streaming as they are read.

import type { RunnerCallContext } from './call-context.js'
import type { FetchDeclaration } from './define-function.js'
import type { Reply } from './reply.js'
import type { RequestBody } from './request-body.js'

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
  const headers = flatten(response.headers)
  if (
    response.body === null ||
    NULL_BODY_STATUS.has(response.status) ||
    context.method === 'HEAD'
  ) {
    await response.body?.cancel()
    return reply.whole(response.status, headers, NO_BODY)
  }
  const reader = response.body.getReader()
  // A client that has left ends the stream at its source; its `cancel` runs before the slot is free.
  const onAbort = () => void reader.cancel(context.abortReason).catch(() => {})
  context.signal.addEventListener('abort', onAbort, { once: true })
  try {
    const first = await reader.read()
    if (first.done) return await reply.whole(response.status, headers, NO_BODY)
    const second = reader.read()
    // One chunk and the end at once is a whole answer: one frame instead of three.
    if (await isDoneNow(second)) {
      return await reply.whole(
        response.status,
        without(headers, 'content-length'),
        asBytes(first.value),
      )
    }
    reply.head(response.status, headers)
    await reply.write(asBytes(first.value))
    for (let next = await second; !next.done; next = await reader.read()) {
      await reply.write(asBytes(next.value))
    }
    if (context.abortReason !== null) throw context.abortReason
    reply.end()
  } catch (error) {
    await reader.cancel(error).catch(() => {})
    throw error
  } finally {
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
  return /^[A-Za-z0-9.:[\]_-]+$/.test(host)
    ? `${scheme}://${host}${context.url}`
    : `${scheme}://localhost${context.url}`
}

function flatten(headers: Headers): string[] {
  const flat: string[] = []
  for (const [name, value] of headers) if (!HOP_BY_HOP.has(name)) flat.push(name, value)
  return flat
}

function without(headers: string[], name: string): string[] {
  const at = headers.indexOf(name)
  return at === -1 || at % 2 !== 0 ? headers : headers.toSpliced(at, 2)
}

function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  throw new TypeError('The body of a Response must be a stream of bytes.')
}

/** True when the stream ends in this turn of the event loop. */
async function isDoneNow(next: Promise<{ done: boolean }>): Promise<boolean> {
  const turnsEnd = new Promise<false>((resolve) => setImmediate(resolve, false))
  return Promise.race([next.then(({ done }) => done), turnsEnd])
}
