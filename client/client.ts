// Call functions from any TypeScript process, over NATS, without HTTP: `import { connect } from
// 'callgate/client'`. Made of the gateway's own dispatch, so it finds runners, queues, retries and cancels
// alike.

import pino, { type Logger } from 'pino'
import { Dispatcher } from '../gateway/dispatch/dispatcher.js'
import { hashOf } from '../gateway/dispatch/pick-runner.js'
import { encodeValue } from '../shared/codec.js'
import { type NatsConfig, natsSettings, readConfig } from '../shared/config.js'
import { CallError } from '../shared/errors.js'
import { DEFAULT_MAX_ATTEMPTS, FUNCTION_NAME } from '../shared/manifest.js'
import { connectNats, type NatsBus } from '../shared/nats.js'
import { newPeerId, subjectsIn } from '../shared/subjects.js'
import { Answer } from './answer.js'
import { creditLimit, queueWait, timeLimit } from './limits.js'

export { CallError, type ErrorCode, type InputIssue } from '../shared/errors.js'

type Connection = Omit<NatsConfig, 'registryReplicas'>

/**
 * Where NATS is and who we are there: `natsUrl`, `natsUser`, `natsCredsFile` and so on. What is left out
 * comes from the environment: CALLGATE_NATS_URL for `natsUrl`.
 */
export type ConnectOptions = { readonly [Name in keyof Connection]?: string | undefined } & {
  /** Longest wait for a free slot, in milliseconds; `Infinity` for no limit. Default 30,000. */
  readonly queueWaitMs?: number | undefined
  /** Memory for answers in flight, in bytes. Default 32 MiB. */
  readonly creditBytes?: number | undefined
  /** Where warnings go. Default: nowhere. */
  readonly log?: Logger | undefined
}

export interface CallOptions {
  /** Cancels the call: the function's own `signal` fires. */
  readonly signal?: AbortSignal | undefined
  /**
   * Total time of the call in milliseconds, once a runner has it. One that has none left (0 or less) ends with
   * `timed_out` and is not sent. Default, and `Infinity`: none but the function's own.
   */
  readonly timeoutMs?: number | undefined
  /** The call may run again, on another runner, when its own is lost before it has answered. */
  readonly idempotent?: boolean | undefined
  /** Calls with one key go to one runner, while it lives and has a free slot. */
  readonly affinityKey?: string | undefined
}

/**
 * Connects to NATS.
 * Throws an Error with one sentence when NATS cannot be reached or a setting is wrong: a TypeError or
 * RangeError for a number that is none.
 *
 * ```ts
 * const client = await connect()
 * console.log(await client.call('echo', { message: 'hi' }))
 * for await (const token of client.stream('tokens', { count: 5 })) console.log(token)
 * await client.close()
 * ```
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const config = readConfig(natsSettings, options, process.env)
  const creditBytes = creditLimit(options.creditBytes ?? 32 * 1024 * 1024)
  const queueWaitMs = queueWait(options.queueWaitMs ?? 30_000)
  const log = options.log ?? pino({ level: 'silent' })
  const bus = await connectNats(config, 'callgate client', log)
  const dispatcher = new Dispatcher({
    bus,
    subjects: subjectsIn(config.namespace),
    log,
    creditBytes,
    maxQueued: 100_000,
    queueWaitMs,
    retryBodyBytes: 64 * 1024,
    maxCalls: Number.POSITIVE_INFINITY,
    maxCallsPerPrincipal: null,
  })
  return new Client(bus, dispatcher)
}

export class Client {
  readonly #bus: NatsBus
  readonly #dispatcher: Dispatcher
  readonly #callIdPrefix = newPeerId()
  /** Of the calls in flight. */
  readonly #answers = new Set<Answer>()
  #calls = 0
  #isClosed = false

  /** Made by `connect` only. */
  constructor(bus: NatsBus, dispatcher: Dispatcher) {
    this.#bus = bus
    this.#dispatcher = dispatcher
  }

  /**
   * Calls a function and resolves with its value; with an array, where the function streams.
   * Rejects with a CallError, whose `code` says why. A function that lets it pass has failed: what its own
   * caller should read is a `PublicError`. With a TypeError or RangeError for a `timeoutMs` that is no
   * number, and with the encoder's error for an input that has no form in msgpack.
   */
  async call(functionName: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    const answer = this.#start(functionName, input, options)
    const values: unknown[] = []
    for await (const value of answer) values.push(value)
    return answer.isStream ? values : values[0]
  }

  /**
   * Calls a function and iterates over what it yields, each value as it comes. A function that is slower
   * to read than to write is made to wait. Leaving the loop cancels the call. Throws at once what `call`
   * rejects with before it has begun.
   */
  stream(functionName: string, input?: unknown, options: CallOptions = {}): AsyncIterable<unknown> {
    return this.#start(functionName, input, options)
  }

  /** Cancels what is in flight, whose callers get a CallError `cancelled`, and disconnects. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const answer of this.#answers) answer.fail(CLOSED)
    this.#dispatcher.close()
    await this.#bus.close()
  }

  #start(functionName: string, input: unknown, options: CallOptions): Answer {
    const { signal, idempotent, affinityKey } = options
    // Both may throw: before there is anything that somebody would have to end.
    const timeoutMs = timeLimit(options.timeoutMs)
    const body = input === undefined ? null : encodeValue(input)
    const answer = new Answer(signal, (over) => this.#answers.delete(over))
    if (this.#isClosed) answer.fail(CLOSED)
    else if (!FUNCTION_NAME.test(functionName)) answer.fail(noSuchFunction(functionName))
    else if (timeoutMs !== null && timeoutMs <= 0) answer.fail(NO_TIME)
    if (answer.isOver) return answer
    this.#answers.add(answer)
    const invocation = this.#dispatcher.start(
      {
        functionName,
        callId: `${this.#callIdPrefix}${(this.#calls++).toString(36)}`,
        timeoutMs,
        firstByteMs: null,
        idleMs: null,
        method: 'POST',
        url: `/${functionName}`,
        params: null,
        headers: input === undefined ? [...ACCEPT] : [...ACCEPT, ...CONTENT_TYPE],
        principal: null,
        fairnessKey: '',
        weight: 1,
        priority: 0,
        affinityHash: affinityKey === undefined ? null : hashOf(affinityKey),
        isIdempotent: idempotent ?? false,
        maxAttempts: DEFAULT_MAX_ATTEMPTS,
      },
      body,
      false,
      answer,
    )
    answer.attach(invocation)
    return answer
  }
}

const ACCEPT = ['accept', 'application/msgpack, */*;q=0.1'] as const
const CONTENT_TYPE = ['content-type', 'application/msgpack'] as const
const NO_TIME = new CallError('timed_out', 'The call had no time left when it was made.')
const CLOSED = new CallError('cancelled', 'The client has been closed.')

function noSuchFunction(name: string): CallError {
  return new CallError('not_found', `${JSON.stringify(name)} is not a function's name.`)
}
