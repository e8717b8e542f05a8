// The public API: what a function's file exports. `import { defineFunction } from 'callgate'`.
// Nothing here runs a function; it only describes one. `describe-function.ts` turns the description
// into the manifest that is registered, `serve.ts` runs it.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Logger } from 'pino'
import { type InputIssue, isRetryAfter, type ThrowableCode } from '../shared/errors.js'

export type { InputIssue, ThrowableCode } from '../shared/errors.js'

/** Who is calling: the verified claims of a token. `null` where a route is public or the call came over NATS. */
export interface Principal {
  /** The `sub` claim. */
  readonly subject: string | null
  readonly scopes: readonly string[]
  /** Every claim of the token, as signed. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** What every form of a function is given beside its input. */
export interface CallContext<Model> {
  /** What `load` returned. */
  readonly model: Model
  /**
   * Fires when the client has left, the deadline has passed or the runner is told to stop.
   * Its `reason` is an Error. Pass it on; the slot is free only when the function has settled.
   */
  readonly signal: AbortSignal
  /** Of the verified token; null on a public route. Frozen: all calls with one token may share it. */
  readonly principal: Principal | null
  /** The `x-call-id` of the answer. */
  readonly callId: string
  /** Unix time in milliseconds at which `signal` fires by itself; `Infinity` where the function has no limit. */
  readonly deadline: number
  /** Path parameters, decoded: `{ id: '7' }` for `GET /items/:id`; a wildcard's rest is `'*'`. */
  readonly params: Readonly<Record<string, string>>
  /**
   * Request headers, lower-case names. `authorization` is left out where the gateway has verified it, and so is
   * what is about the client's connection, such as `connection`, `te` and `expect`.
   */
  readonly headers: Headers
  readonly method: string
  /** Path and query as the client sent them. */
  readonly url: string
  /** A logger that carries the function's name and the call id. */
  readonly log: Logger
}

/** Scopes that a token needs; `'public'` lets everybody in. Default: any valid token. */
export type Auth = 'public' | { readonly scope: string | readonly string[] }

interface Declaration<Model> {
  /** Lower-case letters, digits, `-` and `_`. Default: the file's name. */
  name?: string
  /**
   * Method, optional host and path: `'POST /v1/embeddings'`, `'GET api.example.com/items/:id'`,
   * `'/app/*'` for every method. Default: `POST /<name>` for `run`,
   * `/<name>/*` for `fetch`, `WS /<name>` for `socket`.
   */
  route?: string | readonly string[]
  auth?: Auth
  /** Calls that one runner works on at the same time. Default 1. */
  maxInputs?: number
  /**
   * Total time of a call from the moment it starts, in milliseconds; `Infinity` for none.
   * Default 300,000; none for `socket`.
   */
  timeoutMs?: number
  /** Longest wait for the first byte of the answer, in milliseconds. Default: none but `timeoutMs`. */
  firstByteMs?: number
  /** Longest pause in which nothing goes either way, in milliseconds. Default: none; 600,000 for `socket`. */
  idleMs?: number
  /** A silent stream of server-sent events gets a comment this often, in milliseconds. Default 15,000. */
  pingMs?: number
  /** Largest request body, in bytes. Default 100 MiB for `run`, unbounded for `fetch`. */
  maxBodyBytes?: number
  /**
   * Whether a call may run again on another runner when its own was lost before it answered. `false`: no
   * request, whatever its method, and whether or not it has an `Idempotency-Key`. Default: only calls whose
   * method says so (GET, HEAD, PUT, DELETE, OPTIONS) or that have an `Idempotency-Key`.
   */
  idempotent?: boolean
  /** Runners that such a call may have one after the other. Default 3. */
  maxAttempts?: number
  /**
   * Keeps calls that share a value on one runner, while it lives and has a free slot: for KV caches and
   * sessions. The value of a header, of a claim of the token, or of a path parameter.
   */
  affinity?: { readonly header: string } | { readonly claim: string } | { readonly param: string }
  /**
   * Runs once in every runner, before it takes traffic. Calls that come meanwhile wait. When it throws or
   * takes longer than `loadTimeoutMs`, calls are answered with 503 `load_failed` or `load_timeout`, the
   * reason is in the logs and on `/fleet`, and the runner is started again.
   */
  load?: (context: LoadContext) => Model | Promise<Model>
  /** Longest that `load` may take, in milliseconds; `Infinity` for no limit. Default 600,000. */
  loadTimeoutMs?: number
}

export interface LoadContext {
  readonly log: Logger
  /**
   * Fires when the runner is told to stop while it still loads, or when time is up. A `load` that uses it
   * is given `CALLGATE_CANCEL_GRACE_MS` to clean up; one that does not is ended with its process.
   */
  readonly signal: AbortSignal
}

type InputOf<Schema> = Schema extends StandardSchemaV1<unknown, infer Output> ? Output : unknown

/** A function of values: decoded input in, a value or a stream of values out. */
export interface RunDeclaration<Model, Schema extends StandardSchemaV1 | undefined>
  extends Declaration<Model> {
  /** Any Standard Schema (zod, valibot, arktype). What it refuses is answered with 422 and every fault. */
  input?: Schema
  /**
   * `input` is the decoded body, or the query for methods without one. Returns a value (or a promise
   * of one), or is an async generator: each value leaves as it is yielded, in the form that the
   * client's `Accept` asks for.
   */
  run: (input: InputOf<Schema>, context: CallContext<Model>) => unknown
  fetch?: never
  socket?: never
}

/** The raw form: a WHATWG `Request` in, a `Response` out, bodies streaming both ways. */
export interface FetchDeclaration<Model> extends Declaration<Model> {
  fetch: (request: Request, context: CallContext<Model>) => Response | Promise<Response>
  run?: never
  input?: never
  socket?: never
}

/** One WebSocket: messages in, messages out, for as long as the function works on it. */
export interface SocketDeclaration<Model> extends Declaration<Model> {
  /**
   * Returns when it is done with the connection, which is then closed with 1000. `context.signal` fires
   * when the client has closed or was cut.
   */
  socket: (socket: CallSocket, context: CallContext<Model>) => void | Promise<void>
  /** Largest message in bytes, either way. Default 16 MiB. */
  maxMessageBytes?: number
  run?: never
  fetch?: never
  input?: never
}

/** The connection of a `socket` function. Iterate over it for the client's messages. */
export interface CallSocket extends AsyncIterable<string | Uint8Array> {
  /** Subprotocols that the client offers. */
  readonly protocols: readonly string[]
  /**
   * Takes the connection, with one of `protocols`, by default the first. So does the first `send`,
   * `close` or iteration. Until then a thrown `PublicError` is an HTTP answer with its status.
   */
  accept(protocol?: string): void
  /**
   * Sends a text (a string) or binary message. Resolves when there is room for the next one: await it,
   * and a slow client slows the function instead of filling its memory. Rejects once the call is given up,
   * which only who waits for it hears.
   */
  send(data: string | Uint8Array): Promise<void>
  /** Closes with a code of RFC 6455 that applications may send, and a reason of 123 bytes at most. */
  close(code?: number, reason?: string): void
  /** The code of the close, once there is one; 1006 for a client that was cut. */
  readonly closeCode: number | null
  readonly closeReason: string
}

const BRAND = Symbol.for('callgate.function')

/** A described function. Made by `defineFunction` only. */
export type DefinedFunction = { readonly [BRAND]: true } & AnyDeclaration

// What model and input are is between the parts of one declaration; from outside nobody can know.
// biome-ignore lint/suspicious/noExplicitAny: the only type that both `unknown` and `never` fit
type AnyDeclaration = RunDeclaration<any, any> | FetchDeclaration<any> | SocketDeclaration<any>

/**
 * Describes a function. Export the result as the file's default:
 *
 * ```ts
 * export default defineFunction({
 *   route: 'GET /hello',
 *   auth: 'public',
 *   run: () => ({ message: 'Hello, world!' }),
 * })
 * ```
 */
export function defineFunction<
  Model = undefined,
  Schema extends StandardSchemaV1 | undefined = undefined,
>(declaration: RunDeclaration<Model, Schema>): DefinedFunction
export function defineFunction<Model = undefined>(
  declaration: FetchDeclaration<Model>,
): DefinedFunction
export function defineFunction<Model = undefined>(
  declaration: SocketDeclaration<Model>,
): DefinedFunction
export function defineFunction(declaration: AnyDeclaration): DefinedFunction {
  return Object.freeze({ ...declaration, [BRAND]: true as const })
}

/** True for what `defineFunction` made, also by another copy of this package. */
export function isDefinedFunction(value: unknown): value is DefinedFunction {
  return typeof value === 'object' && value !== null && BRAND in value
}

/**
 * An error that its caller may read. Anything else that a function throws is answered with
 * `function_failed` and no message, because a message can hold what a stranger should not see.
 *
 * ```ts
 * throw new PublicError('not_found', 'There is no voice of that name; GET /voices lists them.')
 * ```
 */
export class PublicError extends Error {
  override readonly name = 'PublicError'
  readonly code: ThrowableCode
  readonly issues: readonly InputIssue[] | undefined
  readonly retryAfterSeconds: number | undefined

  /**
   * @param facts `issues`: the faults of the input; `retryAfterSeconds`: when to try again, 0 to 86,400, which
   * becomes `Retry-After` (`unavailable` says 1 by itself); `cause`: for the log only
   */
  constructor(
    code: ThrowableCode,
    message: string,
    facts: { issues?: readonly InputIssue[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    const { issues, retryAfterSeconds, cause } = facts
    super(message, cause === undefined ? undefined : { cause })
    if (retryAfterSeconds !== undefined && !isRetryAfter(retryAfterSeconds)) {
      throw new RangeError(
        `\`retryAfterSeconds\` must be a whole number from 0 to 86400, not ${retryAfterSeconds}.`,
      )
    }
    this.code = code
    this.issues = issues
    this.retryAfterSeconds = retryAfterSeconds
  }
}
