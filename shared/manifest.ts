// What a function declares to the rest of the system: the value under its name in the registry, as JSON,
// so that an operator can read and write it with any NATS tool. Runners write it, gateways watch it.

import * as v from 'valibot'
import { MAX_TIMER_MS } from './max-timer.js'
import { parseRoute } from './route-pattern.js'

/** The manifest's own version. A gateway leaves a manifest of another version alone and says so. */
export const MANIFEST_VERSION = 1

export const DEFAULT_TIMEOUT_MS = 300_000
/** A `load` may take so long unless its function says otherwise: large models come over slow networks. */
export const DEFAULT_LOAD_TIMEOUT_MS = 600_000
export const DEFAULT_RUN_MAX_BODY_BYTES = 100 * 1024 * 1024

/** A function's name is a token of a NATS subject and a key of the registry. */
export const FUNCTION_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/

/** A version of a function, where several are deployed at once: a token of a registry key. */
export const FUNCTION_VERSION = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
/** Of a function of which nobody named the version. */
export const DEFAULT_VERSION = 'main'
/** Runners that a call may have one after the other, unless its function says otherwise. */
export const DEFAULT_MAX_ATTEMPTS = 3

/** What a WebSocket message may have unless its function says otherwise. */
export const DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
/** What a function may say: both ends hold one message of this size in memory. */
export const MAX_MESSAGE_BYTES = 256 * 1024 * 1024
/** A WebSocket on which nothing happens for so long is closed, unless its function says otherwise. */
export const DEFAULT_SOCKET_IDLE_MS = 600_000
/** Proxies cut what is silent for a minute, many of them earlier. */
export const DEFAULT_PING_MS = 15_000

const durationMs = v.nullable(whole(1, MAX_TIMER_MS))
const key = v.pipe(v.string(), v.nonEmpty())

const manifestSchema = v.object({
  version: v.literal(MANIFEST_VERSION),
  name: v.pipe(v.string(), v.regex(FUNCTION_NAME)),
  form: v.picklist(['run', 'fetch', 'socket']),
  /** As `parseRoute` reads them: `POST /v1/embeddings`. May be empty: then only NATS leads here. */
  routes: v.pipe(v.array(v.pipe(v.string(), v.rawCheck(checkRoute))), v.maxLength(64)),
  /** `public`, or the scopes that a token needs, all of them; none means any valid token. */
  auth: v.union([
    v.literal('public'),
    v.object({ scopes: v.pipe(v.array(v.string()), v.maxLength(32)) }),
  ]),
  maxInputs: whole(1, 10_000),
  /** Total time of a call in milliseconds; null: unlimited. */
  timeoutMs: durationMs,
  /** Longest wait for the answer's first byte, from the moment a runner has the call; null: unlimited. */
  firstByteMs: durationMs,
  /** Longest pause between two frames, in either direction; null: unlimited. */
  idleMs: durationMs,
  /** A stream of server-sent events that is silent for so long gets a comment; null: none. */
  pingMs: durationMs,
  /** Largest request body in bytes; null: unbounded. */
  maxBodyBytes: v.nullable(whole(0, Number.MAX_SAFE_INTEGER)),
  /** Largest WebSocket message in bytes, either way. */
  maxMessageBytes: whole(1, MAX_MESSAGE_BYTES),
  // From here on with defaults: manifests of earlier releases do not say.
  /** A call may run again when its runner was lost, whatever its method. */
  idempotent: v.optional(v.boolean(), false),
  /**
   * A call must not run again, whatever its method, with an `Idempotency-Key` or without. Not a third value of `idempotent`,
   * whose `false` of earlier releases means that the function says nothing.
   */
  runsOnce: v.optional(v.boolean(), false),
  /** Runners that a call which may run again has one after the other, at most. */
  maxAttempts: v.optional(whole(1, 10), DEFAULT_MAX_ATTEMPTS),
  /** Calls with one value of this go to one runner while it has room; null: to the least loaded. */
  affinity: v.optional(
    v.nullable(
      v.union([
        v.strictObject({ header: v.pipe(key, v.toLowerCase()) }),
        v.strictObject({ claim: key }),
        v.strictObject({ param: key }),
      ]),
    ),
    null,
  ),
  /** Longest that `load` may take in milliseconds; null: unlimited. */
  loadTimeoutMs: v.optional(durationMs, DEFAULT_LOAD_TIMEOUT_MS),
})

function whole(min: number, max: number) {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max))
}

/** As a runner and `callgate deploy` refuse it, so that nobody can register a route that matches nothing. */
function checkRoute({ dataset, addIssue }: v.RawCheckContext<string>): void {
  if (!dataset.typed) return
  try {
    parseRoute(dataset.value)
  } catch (error) {
    addIssue({ message: (error as Error).message })
  }
}

export type Manifest = Readonly<v.InferOutput<typeof manifestSchema>>

export class ManifestError extends Error {
  override readonly name = 'ManifestError'
}

/** Reads a manifest from JSON text or a parsed value. Throws a ManifestError that lists every fault. */
export function readManifest(source: unknown): Manifest {
  const value = typeof source === 'string' ? parseJson(source) : source
  const result = v.safeParse(manifestSchema, value)
  if (result.success) return result.output
  const faults = result.issues.map(
    (issue) => `${v.getDotPath(issue) ?? 'manifest'}: ${issue.message}`,
  )
  throw new ManifestError(faults.join('; '))
}

/** True when both say the same, whatever the order of their properties. */
export function sameManifest(a: Manifest, b: Manifest): boolean {
  return JSON.stringify(v.parse(manifestSchema, a)) === JSON.stringify(v.parse(manifestSchema, b))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ManifestError('The manifest is not JSON.')
  }
}
