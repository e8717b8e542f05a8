// What a runner says of itself: JSON, once a second for every runner, readable with any NATS tool.

import * as v from 'valibot'
import { PROTOCOL_VERSION } from './frame.js'
import { DEFAULT_VERSION, FUNCTION_NAME, FUNCTION_VERSION } from './manifest.js'
import { TOKEN } from './subjects.js'

/** A runner announces itself this often. */
export const ANNOUNCE_INTERVAL_MS = 1_000
/** A runner that was not heard of for so long is asked whether it is there. */
export const ASK_AFTER_MS = 1.5 * ANNOUNCE_INTERVAL_MS
/** A runner that was not heard of for so long is not chosen. */
export const STALE_AFTER_MS = 3 * ANNOUNCE_INTERVAL_MS
/** A runner that was not heard of for so long is forgotten, once it holds no invocation. */
export const FORGET_AFTER_MS = 10 * ANNOUNCE_INTERVAL_MS

/** As many as a manifest may ask for. Who announced a billion would draw every call of its function. */
const MAX_SLOTS = 10_000
/** A reason is kept by every gateway, for as long as it holds. */
const MAX_REASON_CHARS = 2_000

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const schema = v.object({
  protocol: v.number(),
  runner: v.pipe(v.string(), v.regex(TOKEN)),
  function: v.pipe(v.string(), v.regex(FUNCTION_NAME)),
  /** Of the function; a runner that does not say has the only one. */
  version: v.optional(v.pipe(v.string(), v.regex(FUNCTION_VERSION)), DEFAULT_VERSION),
  state: v.picklist(['loading', 'ready', 'draining', 'failed', 'gone']),
  slots: v.pipe(count, v.maxValue(MAX_SLOTS)),
  /** Slots in use, by caller. */
  busyBy: v.record(v.string(), count),
  host: v.string(),
  pid: v.pipe(v.number(), v.safeInteger()),
  startedAt: v.pipe(v.string(), v.isoTimestamp()),
  /** Of a runner that is `loading`; null: for ever. */
  loadTimeoutMs: v.optional(v.nullable(v.pipe(count, v.minValue(1)))),
  /** Of a runner that has `failed`. For operators, not for clients. */
  reason: v.optional(
    v.object({
      code: v.picklist(['load_failed', 'load_timeout']),
      message: v.pipe(v.string(), v.maxLength(MAX_REASON_CHARS)),
    }),
  ),
})

export type Announcement = Readonly<v.InferOutput<typeof schema>>
export type FailureReason = NonNullable<Announcement['reason']>

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export function encodeAnnouncement(announcement: Announcement): Uint8Array {
  return encoder.encode(JSON.stringify(announcement))
}

/** The announcement; the version's number when it is one we do not speak; null for anything else. */
export function decodeAnnouncement(payload: Uint8Array): Announcement | number | null {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(payload))
  } catch {
    return null
  }
  const protocol = (value as { protocol?: unknown } | null)?.protocol
  if (typeof protocol === 'number' && protocol !== PROTOCOL_VERSION) return protocol
  const result = v.safeParse(schema, value)
  return result.success ? result.output : null
}

/** Why a runner has failed, as it may be announced. */
export function failureReason(code: FailureReason['code'], message: string): FailureReason {
  const isLong = message.length > MAX_REASON_CHARS
  return { code, message: isLong ? `${message.slice(0, MAX_REASON_CHARS - 1)}…` : message }
}

/** Which process announces: what is under one id is one runner only as long as these are the same. */
type Process = Pick<Announcement, 'startedAt' | 'host' | 'pid'>

export function isSameProcess(a: Process, b: Process): boolean {
  return a.pid === b.pid && a.startedAt === b.startedAt && a.host === b.host
}

/** Of two processes that announce one id: whether `a` keeps it. Everybody who asks gets the same answer. */
export function supersedes(a: Process, b: Process): boolean {
  const [aMs, bMs] = [Date.parse(a.startedAt), Date.parse(b.startedAt)]
  if (aMs !== bMs) return aMs > bMs
  return a.host === b.host ? a.pid > b.pid : a.host > b.host
}
