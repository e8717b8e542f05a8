// Content negotiation, both ways: bytes and content-type -> the input of `run`; what `run` gives and the
// client's Accept -> bytes. It is done here and not in the gateway, because the gateway must scale
// further than any one function.

import { isUtf8 } from 'node:buffer'
import { createParser } from 'eventsource-parser'
import Negotiator from 'negotiator'
import { CodecError, decodeValue, encodeValue } from '../shared/codec.js'
import { withBytesAsText } from './bytes-as-text.js'
import { inOwnMemory } from './own-memory.js'
import { RunnerError } from './runner-error.js'

const JSON_TYPE = 'application/json'
const SSE_TYPE = 'text/event-stream'
const NDJSON_TYPE = 'application/x-ndjson'
/** Another name of the same. */
const JSONL_TYPE = 'application/jsonl'
const MSGPACK_TYPE = 'application/msgpack'
const TEXT_TYPE = 'text/plain'
const BINARY_TYPE = 'application/octet-stream'

// ---- in ------------------------------------------------------------------------------------------

/**
 * Decodes a request body by its content-type: JSON, msgpack, forms to values, NDJSON and server-sent
 * events to arrays, `text/*` to a string, anything else stays bytes. No body at all is `undefined`.
 * Of `multipart/form-data`, a promise. Throws a RunnerError `bad_request` or `unsupported_media_type`.
 */
export function decodeBody(body: Uint8Array, contentType: string | null): unknown {
  if (body.length === 0 && contentType === null) return undefined
  const type = essence(contentType)
  if (type === JSON_TYPE || type.endsWith('+json')) return parseJson(decodeText(body, contentType))
  switch (type) {
    case MSGPACK_TYPE:
    case 'application/x-msgpack':
    case 'application/vnd.msgpack':
      return decodeMsgpack(body)
    case NDJSON_TYPE:
    case JSONL_TYPE:
      return decodeText(body, contentType)
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map(parseJson)
    case SSE_TYPE:
      return decodeEvents(decodeText(body, contentType))
    case 'application/x-www-form-urlencoded':
      return fieldsOf(new URLSearchParams(decodeText(body, contentType)))
    case 'multipart/form-data':
      return decodeMultipart(body, contentType!)
    default:
      return type.startsWith('text/') ? decodeText(body, contentType) : inOwnMemory(body)
  }
}

/** The input of methods without a body: the query; a name that comes more than once is an array. */
export function decodeQuery(url: string): Record<string, string | string[]> {
  const at = url.indexOf('?')
  return at === -1
    ? {}
    : (fieldsOf(new URLSearchParams(url.slice(at + 1))) as Record<string, string>)
}

function essence(contentType: string | null): string {
  if (contentType === null) return BINARY_TYPE
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

function decodeText(body: Uint8Array, contentType: string | null): string {
  const charset = contentType?.includes(';') ? charsetOf(contentType) : undefined
  if (
    charset !== undefined &&
    charset !== 'utf-8' &&
    charset !== 'utf8' &&
    charset !== 'us-ascii'
  ) {
    throw new RunnerError(
      'unsupported_media_type',
      `The charset ${charset} is not supported; send UTF-8.`,
    )
  }
  if (!isUtf8(body)) throw new RunnerError('bad_request', 'The body is not valid UTF-8.')
  const bytes =
    body instanceof Buffer ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const text = bytes.toString('utf8')
  // A byte order mark is no part of the text.
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

function charsetOf(contentType: string): string | undefined {
  return /;\s*charset="?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RunnerError('bad_request', `The body is not valid JSON: ${(error as Error).message}.`)
  }
}

function decodeMsgpack(body: Uint8Array): unknown {
  try {
    return decodeValue(body)
  } catch (error) {
    if (error instanceof CodecError) throw new RunnerError('bad_request', error.message)
    throw error
  }
}

function decodeEvents(text: string): unknown[] {
  const values: unknown[] = []
  const parser = createParser({ onEvent: (event) => values.push(parseJson(event.data)) })
  parser.feed(text)
  return values
}

async function decodeMultipart(body: Uint8Array, contentType: string): Promise<unknown> {
  try {
    const response = new Response(new Uint8Array(body), {
      headers: { 'content-type': contentType },
    })
    return fieldsOf(await response.formData())
  } catch {
    throw new RunnerError('bad_request', 'The body is not valid multipart/form-data.')
  }
}

function fieldsOf(entries: Iterable<[string, unknown]>): Record<string, unknown> {
  // No prototype: a field may be called `__proto__`.
  const fields: Record<string, unknown> = Object.create(null)
  const lists = new Map<string, unknown[]>()
  for (const [name, value] of entries) {
    const list = lists.get(name)
    if (list !== undefined) list.push(value)
    else if (name in fields) {
      const both = [fields[name], value]
      lists.set(name, both)
      fields[name] = both
    } else fields[name] = value
  }
  return { ...fields }
}

// ---- out -----------------------------------------------------------------------------------------

/** How values become bytes, for one client. */
export interface Representation {
  readonly contentType: string
  /** Of a stream of values. */
  readonly streamContentType: string
  /** One value as a whole document. */
  encode(value: unknown): Uint8Array
  /** A stream: bytes before the first value, for each value, and after the last. */
  readonly prefix: Uint8Array
  item(value: unknown, index: number): Uint8Array | string
  readonly suffix: Uint8Array
}

const NOTHING = new Uint8Array(0)

const json: Representation = {
  contentType: JSON_TYPE,
  streamContentType: JSON_TYPE,
  encode: (value) => Buffer.from(stringify(value)),
  prefix: Buffer.from('['),
  item: (value, index) => (index === 0 ? stringify(value) : `,${stringify(value)}`),
  suffix: Buffer.from(']'),
}

const ndjson: Representation = {
  contentType: NDJSON_TYPE,
  streamContentType: NDJSON_TYPE,
  encode: (value) => Buffer.from(`${stringify(value)}\n`),
  prefix: NOTHING,
  item: (value) => `${stringify(value)}\n`,
  suffix: NOTHING,
}

const jsonl: Representation = {
  ...ndjson,
  contentType: JSONL_TYPE,
  streamContentType: JSONL_TYPE,
}

const sse: Representation = {
  contentType: SSE_TYPE,
  streamContentType: SSE_TYPE,
  encode: (value) => Buffer.from(`data: ${stringify(value)}\n\n`),
  prefix: NOTHING,
  item: (value) => `data: ${stringify(value)}\n\n`,
  suffix: NOTHING,
}

const msgpack: Representation = {
  contentType: MSGPACK_TYPE,
  streamContentType: `${MSGPACK_TYPE}; stream=true`,
  encode: encodeValue,
  prefix: NOTHING,
  item: encodeValue,
  suffix: NOTHING,
}

// First is what a client gets that accepts anything.
const VALUE_FORMS = [json, msgpack, ndjson, sse, jsonl]
const STREAM_FORMS = [sse, ndjson, json, msgpack, jsonl]

/** The representation for one value, by the client's Accept. Throws a RunnerError `not_acceptable`. */
export function representValue(accept: string | null): Representation {
  return accept === null ? json : choose(accept, VALUE_FORMS, valueChoices)
}

/** The representation for a stream of values. Throws a RunnerError `not_acceptable`. */
export function representStream(accept: string | null): Representation {
  return accept === null ? sse : choose(accept, STREAM_FORMS, streamChoices)
}

/** A string or bytes that leave as they are; null when the client asked for another form of them. */
export function representRaw(
  value: string | Uint8Array,
  accept: string | null,
): { contentType: string; body: Uint8Array } | null {
  const type = typeof value === 'string' ? TEXT_TYPE : BINARY_TYPE
  if (accept !== null && acceptable(accept, [type, JSON_TYPE, MSGPACK_TYPE])[0] !== type)
    return null
  return typeof value === 'string'
    ? { contentType: `${TEXT_TYPE}; charset=utf-8`, body: Buffer.from(value) }
    : { contentType: BINARY_TYPE, body: value }
}

// Clients send few different Accepts, and parsing one costs more than the rest of an answer.
const valueChoices = new Map<string, Representation>()
const streamChoices = new Map<string, Representation>()
const MAX_CHOICES = 256

function choose(
  accept: string,
  forms: readonly Representation[],
  choices: Map<string, Representation>,
): Representation {
  const known = choices.get(accept)
  if (known !== undefined) return known
  const types = forms.map((form) => form.contentType)
  const best = acceptable(accept, types)[0]
  const form = forms.find(({ contentType }) => contentType === best)
  if (form === undefined) {
    throw new RunnerError(
      'not_acceptable',
      `Nothing in Accept can be served; ask for one of ${types.join(', ')}.`,
    )
  }
  if (choices.size >= MAX_CHOICES) choices.clear()
  choices.set(accept, form)
  return form
}

function acceptable(accept: string, types: string[]): string[] {
  return new Negotiator({ headers: { accept } }).mediaTypes(types)
}

/**
 * JSON has no bytes and no bigint: bytes become base64, a safe bigint a number and any other a string.
 * `undefined` is null.
 */
function stringify(value: unknown): string {
  const shown = withBytesAsText(value) ?? null
  try {
    // Without a replacer, which would make every other value several times as slow.
    return JSON.stringify(shown) ?? 'null'
  } catch {
    return JSON.stringify(shown, replaceBigint) ?? 'null'
  }
}

function replaceBigint(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
}
