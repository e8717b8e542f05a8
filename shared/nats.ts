// The connection to NATS, as a `Bus`; `registry.ts` uses its JetStream. Reconnects for ever; the first connect
// fails fast, with a sentence.

import {
  AuthorizationError,
  connect,
  errors,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node'
import type { Logger } from 'pino'
import type { Bus, BusMessage, BusSubscription, OutgoingMessage, SubscribeOptions } from './bus.js'
import type { NatsConfig } from './config.js'
import { credentialsOf } from './nats-credentials.js'
import { connectFault, LOSS_HINT, type NatsFault, natsFault, ToldFaults } from './nats-faults.js'
import { NatsReader } from './nats-reader.js'
import { readNatsUrl, redacted } from './nats-url.js'
import { NatsWriter } from './nats-writer.js'

export interface NatsBus extends Bus {
  readonly connection: NatsConnection
  /** Resolves when the connection has ended for good; with the reason, if there was one. */
  readonly closed: Promise<Error | undefined>
  /** Sends what is pending and closes. */
  close(): Promise<void>
}

export class NatsUnreachable extends Error {
  override readonly name = 'NatsUnreachable'
}

/** How long one attempt to connect may take. What a network swallows is not answered later, either. */
const CONNECT_TIMEOUT_MS = 5_000
const RECONNECT_TIMEOUT_MS = 1_500

/**
 * @param clientName shown by the server's monitoring
 * @param log told of what a listener threw, and of what the server refuses, with what to do about it
 */
export async function connectNats(
  config: NatsConfig,
  clientName: string,
  log: Pick<Logger, 'error' | 'warn'> | null = null,
): Promise<NatsBus> {
  const address = readNatsUrl(config.natsUrl)
  const credentials = credentialsOf(config, address)
  let connection: NatsConnection
  try {
    connection = await connect({
      servers: [...address.servers],
      name: clientName,
      maxReconnectAttempts: -1,
      // However long the server was gone: half a second after its return everybody is back.
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      reconnectJitterTLS: 250,
      // A server that starts may know its users a moment later than it listens.
      ignoreAuthErrorAbort: true,
      // A server that hangs without closing its sockets is found out after two of these.
      pingInterval: 5_000,
      maxPingOut: 2,
      timeout: CONNECT_TIMEOUT_MS,
      noEcho: true,
      ...credentials,
    })
  } catch (error) {
    if (error instanceof AuthorizationError) {
      throw new NatsUnreachable(
        `NATS at ${redacted(config.natsUrl)} refuses us (${reasonOf(error)}). Set CALLGATE_NATS_USER and CALLGATE_NATS_PASSWORD, CALLGATE_NATS_TOKEN or CALLGATE_NATS_CREDS_FILE to what it accepts.`,
        { cause: error },
      )
    }
    throw new NatsUnreachable(
      `NATS does not answer at ${redacted(config.natsUrl)} (${reasonOf(error)}). Start nats-server, or set CALLGATE_NATS_URL to where it is.`,
      { cause: error },
    )
  }
  shortenAttempts(connection)
  return new ConnectedBus(connection, log)
}

// The library has one limit for the first attempt, which may be slow, and for those that follow a loss,
// which are repeated: an attempt that began while packets were swallowed must not keep us from the next.
function shortenAttempts(connection: NatsConnection): void {
  const { protocol } = connection as { protocol?: { options?: { timeout?: number } } }
  if (protocol?.options?.timeout !== undefined) protocol.options.timeout = RECONNECT_TIMEOUT_MS
}

interface Dialler {
  dial(server: unknown): Promise<void>
}

// The library keeps to itself why an attempt to connect again has failed.
function onFailedAttempt(connection: NatsConnection, listener: (error: unknown) => void): void {
  const { protocol } = connection as { protocol?: Partial<Dialler> }
  if (typeof protocol?.dial !== 'function') return
  const dial = protocol.dial.bind(protocol)
  protocol.dial = async (server) => {
    try {
      await dial(server)
    } catch (error) {
      listener(error)
      throw error
    }
  }
}

class ConnectedBus implements NatsBus {
  readonly connection: NatsConnection
  readonly closed: Promise<Error | undefined>
  readonly #listeners = new Set<(isConnected: boolean) => void>()
  readonly #log: Pick<Logger, 'error' | 'warn'> | null
  readonly #toldFaults = new ToldFaults()
  readonly #writer: NatsWriter
  readonly #reader = new NatsReader()
  #drainListeners: (() => void)[] = []
  #isConnected = true
  #maxPayloadBytes: number

  constructor(connection: NatsConnection, log: Pick<Logger, 'error' | 'warn'> | null) {
    this.#log = log
    this.connection = connection
    this.#writer = new NatsWriter(connection)
    this.#reader.follow(connection)
    this.#maxPayloadBytes = connection.info?.max_payload ?? 1024 * 1024
    this.closed = connection.closed().then((reason) => {
      this.#setConnected(false)
      return reason ?? undefined
    })
    onFailedAttempt(connection, (error) => this.#onFailedAttempt(error))
    void this.#followStatus()
  }

  get maxPayloadBytes(): number {
    return this.#maxPayloadBytes
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  get isCongested(): boolean {
    return this.#isConnected && this.#writer.isCongested
  }

  onceDrained(listener: () => void): void {
    this.#drainListeners.push(listener)
    if (this.#drainListeners.length === 1) this.#writer.onceDrained(() => this.#onDrained())
  }

  publish(subject: string, payload: Uint8Array): void {
    if (this.#isConnected) this.connection.publish(subject, payload)
  }

  send(message: OutgoingMessage): void {
    if (this.#isConnected) this.#writer.publish(message)
    else message.release()
  }

  subscribe(
    subject: string,
    onMessage: (message: BusMessage) => void,
    { borrows = false }: SubscribeOptions = {},
  ): BusSubscription {
    const subscription: Subscription = this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) this.#deliver(message, onMessage)
        else this.#onRefused(error, subject)
      },
    })
    const id = subscription.getID()
    if (borrows) this.#reader.addBorrower(id)
    const close = () => {
      if (!subscription.isClosed()) subscription.unsubscribe()
      this.#reader.deleteBorrower(id)
    }
    const drain = async () => {
      // It fails where the connection is lost, and there is nothing to wait for then.
      if (!subscription.isClosed()) await subscription.drain().catch(() => {})
      this.#reader.deleteBorrower(id)
    }
    return { close, drain }
  }

  onConnection(listener: (isConnected: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // An exception would end the client library's reading, and the process would be deaf without knowing.
  #deliver(message: Msg, onMessage: (message: BusMessage) => void): void {
    try {
      onMessage(new ReceivedMessage(message))
    } catch (error) {
      this.#log?.error({ err: error, subject: message.subject }, 'handling a message failed')
    }
  }

  // A missing permission is told by the connection as well, with what to do.
  #onRefused(error: unknown, subject: string): void {
    if (error instanceof errors.PermissionViolationError) return
    this.#log?.error({ err: error, subject }, 'a NATS subscription failed')
  }

  async flush(): Promise<void> {
    await this.connection.flush()
  }

  async close(): Promise<void> {
    if (this.connection.isClosed()) return
    const wasConnected = this.#isConnected
    // What is published from here on is dropped, rather than refused by a connection that is closing.
    this.#isConnected = false
    // `drain` waits for the server; one that is gone must not hold up our own end.
    if (wasConnected) await this.connection.drain()
    else await this.connection.close()
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.connection.status()) {
      switch (status.type) {
        case 'disconnect':
          // Said again of attempts that have come as far as to a socket.
          if (this.#isConnected)
            this.#log?.warn({ server: status.server }, `connection to NATS is lost. ${LOSS_HINT}`)
          this.#setConnected(false)
          break
        case 'reconnect':
          this.#reader.follow(this.connection)
          this.#maxPayloadBytes = this.connection.info?.max_payload ?? this.#maxPayloadBytes
          this.#toldFaults.forget()
          this.#setConnected(true)
          break
        case 'error':
          this.#onFault(status.error)
          break
        case 'staleConnection':
          this.#log?.warn('NATS does not answer our pings: connecting again')
          break
        case 'ldm':
          this.#log?.warn({ server: status.server }, 'the NATS server is about to shut down')
          break
      }
    }
  }

  #onFault(error: Error): void {
    this.#tell(natsFault(error))
  }

  #onFailedAttempt(error: unknown): void {
    if (this.connection.isClosed()) return
    // What the server says itself is told by the connection as well, with what to do.
    if (!(error instanceof AuthorizationError)) this.#tell(connectFault(error))
  }

  /** Once in an outage, however often it is tried. */
  #tell(fault: NatsFault): void {
    if (this.#toldFaults.isNew(fault)) this.#log?.[fault.level](fault.sentence)
  }

  #onDrained(): void {
    const listeners = this.#drainListeners
    this.#drainListeners = []
    for (const listener of listeners) listener()
  }

  #setConnected(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return
    this.#isConnected = isConnected
    for (const listener of this.#listeners) listener(isConnected)
    if (!isConnected) this.#onDrained()
  }
}

// Headers are parsed by the client library when they are asked for: only for an empty payload, which is
// what the server's "no responders" has.
class ReceivedMessage implements BusMessage {
  readonly #message: Msg

  constructor(message: Msg) {
    this.#message = message
  }

  get subject(): string {
    return this.#message.subject
  }

  get payload(): Uint8Array {
    return this.#message.data
  }

  get noResponders(): boolean {
    return this.#message.data.length === 0 && this.#message.headers?.code === 503
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.toLowerCase() : String(error)
}
