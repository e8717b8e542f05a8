// Call functions from any TypeScript process, over NATS, without HTTP: `import { connect } from
// 'callgate/client'`. Made of the gateway's own dispatch, so it finds runners, queues, retries and cancels
// alike.

import pino, { type Logger } from 'pino'
import { Dispatcher } from '../gateway/dispatch/dispatcher.js'
import { encodeValue } from '../shared/codec.js'
import { natsSettings, readConfig } from '../shared/config.js'
import { connectNats, type NatsBus } from '../shared/nats.js'
import { newPeerId, subjectsIn } from '../shared/subjects.js'
import { Answer } from './answer.js'

export { CallError, type ErrorCode, type InputIssue } from '../shared/errors.js'

export interface ConnectOptions {
  /** NATS servers, separated by commas. Default: CALLGATE_NATS_URL, or nats://127.0.0.1:4222. */
  natsUrl?: string
  /** Default: CALLGATE_NAMESPACE, or `callgate`. */
  namespace?: string
  /** Longest wait for a free slot, in milliseconds. Default 30,000. */
  queueWaitMs?: number
  /** Memory for answers in flight, in bytes. Default 32 MiB. */
  creditBytes?: number
  /** Where warnings go. Default: nowhere. */
  log?: Logger
}

export interface CallOptions {
  /** Cancels the call: the function's own `signal` fires. */
  signal?: AbortSignal
  /** Total time of the call in milliseconds, once a runner has it. Default: none but the function's own. */
  timeoutMs?: number
}

/**
 * Connects to NATS. Other NATS settings (credentials, TLS) come from CALLGATE_NATS_* in the environment.
 * Throws an Error with one sentence when NATS cannot be reached or a setting is wrong.
 *
 * ```ts
 * const client = await connect()
 * console.log(await client.call('echo', { message: 'hi' }))
 * for await (const token of client.stream('tokens', { count: 5 })) console.log(token)
 * await client.close()
 * ```
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const { natsUrl, namespace } = options
  const config = readConfig(natsSettings, { natsUrl, namespace }, process.env)
  const bus = await connectNats(config, 'callgate client')
  const dispatcher = new Dispatcher({
    bus,
    subjects: subjectsIn(config.namespace),
    log: options.log ?? pino({ level: 'silent' }),
    creditBytes: options.creditBytes ?? 32 * 1024 * 1024,
    maxQueued: 100_000,
    queueWaitMs: options.queueWaitMs ?? 30_000,
  })
  return new Client(bus, dispatcher)
}

export class Client {
  readonly #bus: NatsBus
  readonly #dispatcher: Dispatcher
  readonly #callIdPrefix = newPeerId()
  #calls = 0

  /** Made by `connect` only. */
  constructor(bus: NatsBus, dispatcher: Dispatcher) {
    this.#bus = bus
    this.#dispatcher = dispatcher
  }

  /**
   * Calls a function and resolves with its value; with an array, where the function streams.
   * Rejects with a CallError, whose `code` says why.
   */
  async call(functionName: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    const answer = this.#start(functionName, input, options)
    const values: unknown[] = []
    for await (const value of answer) values.push(value)
    return answer.isStream ? values : values[0]
  }

  /**
   * Calls a function and iterates over what it yields, each value as it comes. A function that is slower
   * to read than to write is made to wait. Leaving the loop cancels the call.
   */
  stream(functionName: string, input?: unknown, options: CallOptions = {}): AsyncIterable<unknown> {
    return this.#start(functionName, input, options)
  }

  /** Cancels what is in flight and disconnects. */
  async close(): Promise<void> {
    this.#dispatcher.close()
    await this.#bus.close()
  }

  #start(functionName: string, input: unknown, { signal, timeoutMs }: CallOptions): Answer {
    const answer = new Answer(signal)
    const invocation = this.#dispatcher.start(
      {
        functionName,
        callId: `${this.#callIdPrefix}${(this.#calls++).toString(36)}`,
        timeoutMs: timeoutMs ?? null,
        method: 'POST',
        url: `/${functionName}`,
        params: null,
        headers: [
          'accept',
          'application/msgpack, */*;q=0.1',
          'content-type',
          'application/msgpack',
        ],
        principal: null,
        fairnessKey: '',
      },
      encodeValue(input),
      false,
      answer,
    )
    answer.attach(invocation)
    return answer
  }
}
