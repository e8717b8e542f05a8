// What a runner says of itself: JSON, a few times a minute for every runner, readable with any NATS tool.

import { z } from 'zod'
import { PROTOCOL_VERSION } from './frame.js'
import { DEFAULT_VERSION, FUNCTION_NAME, FUNCTION_VERSION } from './manifest.js'
import { TOKEN } from './subjects.js'

/** A runner announces itself this often. */
export const ANNOUNCE_INTERVAL_MS = 1_000
/** A runner that was not heard of for so long is not chosen. */
export const STALE_AFTER_MS = 3 * ANNOUNCE_INTERVAL_MS
/** A runner that was not heard of for so long is forgotten, once it holds no invocation. */
export const FORGET_AFTER_MS = 10 * ANNOUNCE_INTERVAL_MS

const schema = z.object({
  protocol: z.number(),
  runner: z.string().regex(TOKEN),
  function: z.string().regex(FUNCTION_NAME),
  /** Of the function; a runner that does not say has the only one. */
  version: z.string().regex(FUNCTION_VERSION).default(DEFAULT_VERSION),
  state: z.enum(['ready', 'draining', 'gone']),
  slots: z.int().min(0),
  /** Slots in use, by caller. */
  busyBy: z.record(z.string(), z.int().min(0)),
  host: z.string(),
  pid: z.int(),
  startedAt: z.string(),
})

export type Announcement = Readonly<z.infer<typeof schema>>

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
  const result = schema.safeParse(value)
  return result.success ? result.data : null
}
