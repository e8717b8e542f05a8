// The `run` form: decode and check the input, run, and send the value or the stream of values.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { RunnerCallContext } from './call-context.js'
import { decodeContent } from './content-coding.js'
import type { RunDeclaration } from './define-function.js'
import { sendResponse } from './fetch-form.js'
import { toInputIssues } from './input-issues.js'
import type { Reply } from './reply.js'
import {
  decodeBody,
  decodeQuery,
  representRaw,
  representStream,
  representValue,
} from './representation.js'
import type { RequestBody } from './request-body.js'
import { RunnerError } from './runner-error.js'
import { TurnTaker } from './turn-taker.js'

const METHODS_WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])
const NO_BODY = new Uint8Array(0)
/** What keeps proxies and browsers from holding a stream back. */
const STREAM_HEADERS = ['cache-control', 'no-cache', 'x-accel-buffering', 'no']

/** Resolves when the function has settled and the answer has been sent. */
export async function serveRun(
  declaration: RunDeclaration<unknown, StandardSchemaV1 | undefined>,
  context: RunnerCallContext<unknown>,
  body: RequestBody,
  reply: Reply,
): Promise<void> {
  // Nearly always it is there already: to wait for nothing costs as much as to decode it.
  const reading = readInput(context, body)
  const input = isPromise(reading) ? await reading : reading
  const checked = declaration.input === undefined ? input : await check(declaration.input, input)
  const result = declaration.run(checked, context)
  const value = isPromise(result) ? await result : result
  if (isIterable(value)) return sendStream(value, context, reply)
  if (context.abortReason !== null) throw context.abortReason
  if (value instanceof Response) return sendResponse(value, context, reply)
  return sendValue(value, context, reply)
}

/** The input, or a promise of it. */
function readInput(context: RunnerCallContext<unknown>, body: RequestBody): unknown {
  if (METHODS_WITHOUT_BODY.has(context.method)) return decodeQuery(context.url)
  const bytes = body.takeWhole()
  if (bytes === null) return readWhenWhole(context, body)
  if (context.header('content-encoding') !== null) return readCoded(context, bytes, body.maxBytes)
  return decodeBody(bytes, context.header('content-type'))
}

async function readWhenWhole(
  context: RunnerCallContext<unknown>,
  body: RequestBody,
): Promise<unknown> {
  const bytes = await body.readAll()
  if (context.header('content-encoding') !== null) return readCoded(context, bytes, body.maxBytes)
  return decodeBody(bytes, context.header('content-type'))
}

async function readCoded(
  context: RunnerCallContext<unknown>,
  bytes: Uint8Array,
  maxBytes: number | null,
): Promise<unknown> {
  const decoded = await decodeContent(bytes, context.headers.get('content-encoding')!, maxBytes)
  // It took its time, and nobody may want it any more.
  if (context.abortReason !== null) throw context.abortReason
  return decodeBody(decoded, context.header('content-type'))
}

async function check(schema: StandardSchemaV1, input: unknown): Promise<unknown> {
  const result = await schema['~standard'].validate(input)
  if (result.issues === undefined) return result.value
  const faults = result.issues.length
  throw new RunnerError(
    'invalid_input',
    `The input has ${faults === 1 ? 'a fault' : `${faults} faults`}; see issues.`,
    { issues: toInputIssues(result.issues) ?? [] },
  )
}

function sendValue(
  value: unknown,
  context: RunnerCallContext<unknown>,
  reply: Reply,
): Promise<void> {
  if (value === undefined) return reply.whole(204, [], NO_BODY)
  const accept = context.header('accept')
  const bytes = asBytes(value)
  const raw = bytes ?? (typeof value === 'string' ? value : null)
  const represented = raw === null ? null : representRaw(raw, accept)
  if (represented !== null) {
    return reply.whole(200, headersOf(represented.contentType, context), represented.body)
  }
  const representation = representValue(accept)
  return reply.whole(
    200,
    headersOf(representation.contentType, context),
    representation.encode(value),
  )
}

/** An answer that a cache may keep says what it was chosen by; those of other methods are not kept. */
function headersOf(contentType: string, { method }: RunnerCallContext<unknown>): string[] {
  return method === 'GET' || method === 'HEAD'
    ? ['content-type', contentType, 'vary', 'Accept']
    : ['content-type', contentType]
}

/** Each value leaves as it is produced; no credit makes the generator wait at its `yield`. */
async function sendStream(
  values: AsyncIterable<unknown> | Iterable<unknown>,
  context: RunnerCallContext<unknown>,
  reply: Reply,
): Promise<void> {
  const iterator =
    Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]()
  const turns = new TurnTaker()
  try {
    // The first value is awaited before the head is sent, so that a generator that throws at once still
    // gets the status of its error.
    let next = await iterator.next()
    const representation = representStream(context.header('accept'))
    reply.head(200, [...headersOf(representation.streamContentType, context), ...STREAM_HEADERS])
    if (representation.prefix.length > 0) await reply.write(representation.prefix)
    for (let index = 0; !next.done; index++) {
      if (context.abortReason !== null) throw context.abortReason
      const item = representation.item(next.value, index)
      const rest = typeof item === 'string' ? reply.writeText(item) : reply.write(item, true)
      if (rest !== null) await rest
      const turn = turns.afterPiece()
      if (turn !== null) await turn
      next = await iterator.next()
    }
    if (context.abortReason !== null) throw context.abortReason
    if (representation.suffix.length > 0) await reply.write(representation.suffix)
    reply.end()
  } finally {
    turns.end()
    // The generator's own `finally` runs before the slot is free.
    await iterator.return?.()
  }
}

function asBytes(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (value instanceof DataView)
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  return null
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null)?.then === 'function'
}

/** A stream is what an (async) generator function returns, or anything async iterable. Arrays are values. */
function isIterable(
  value: unknown,
): value is AsyncIterable<unknown> | (Iterator<unknown> & Iterable<unknown>) {
  if (typeof value !== 'object' || value === null) return false
  if (value instanceof Response) return false
  if (Symbol.asyncIterator in value) return true
  return Symbol.iterator in value && typeof (value as { next?: unknown }).next === 'function'
}
