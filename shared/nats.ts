// The connection to NATS, as a `Bus`. The only importer of the NATS transport; `registry.ts` uses its
// JetStream. Reconnects for ever; the first connect fails fast, with a sentence.

import { connect, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import type { Bus, BusMessage } from './bus.js'
import type { NatsConfig } from './config.js'

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

/** @param clientName shown by the server's monitoring */
export async function connectNats(config: NatsConfig, clientName: string): Promise<NatsBus> {
  let connection: NatsConnection
  try {
    connection = await connect({
      servers: config.natsUrl.split(','),
      name: clientName,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      // A server that hangs without closing its sockets is found out after two of these.
      pingInterval: 5_000,
      maxPingOut: 2,
      timeout: 5_000,
      noEcho: true,
      ...credentialsOf(config),
    })
  } catch (error) {
    throw new NatsUnreachable(
      `NATS does not answer at ${redact(config.natsUrl)} (${reasonOf(error)}). Start nats-server, or set CALLGATE_NATS_URL to where it is.`,
      { cause: error },
    )
  }
  return new ConnectedBus(connection)
}

class ConnectedBus implements NatsBus {
  readonly connection: NatsConnection
  readonly closed: Promise<Error | undefined>
  readonly #listeners = new Set<(isConnected: boolean) => void>()
  #isConnected = true
  #maxPayloadBytes: number

  constructor(connection: NatsConnection) {
    this.connection = connection
    this.#maxPayloadBytes = connection.info?.max_payload ?? 1024 * 1024
    this.closed = connection.closed().then((reason) => {
      this.#setConnected(false)
      return reason ?? undefined
    })
    void this.#followStatus()
  }

  get maxPayloadBytes(): number {
    return this.#maxPayloadBytes
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    if (!this.#isConnected) return
    this.connection.publish(
      subject,
      payload,
      replyTo === undefined ? undefined : { reply: replyTo },
    )
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): () => void {
    const subscription: Subscription = this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) onMessage(new ReceivedMessage(message))
      },
    })
    return () => {
      if (!subscription.isClosed()) subscription.unsubscribe()
    }
  }

  onConnection(listener: (isConnected: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async flush(): Promise<void> {
    await this.connection.flush()
  }

  async close(): Promise<void> {
    if (this.connection.isClosed()) return
    // `drain` waits for the server; one that is gone must not hold up our own end.
    if (this.#isConnected) await this.connection.drain()
    else await this.connection.close()
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect') this.#setConnected(false)
      else if (status.type === 'reconnect') {
        this.#maxPayloadBytes = this.connection.info?.max_payload ?? this.#maxPayloadBytes
        this.#setConnected(true)
      }
    }
  }

  #setConnected(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return
    this.#isConnected = isConnected
    for (const listener of this.#listeners) listener(isConnected)
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

function credentialsOf(config: NatsConfig): { user?: string; pass?: string; token?: string } {
  return {
    ...(config.natsUser === undefined ? {} : { user: config.natsUser }),
    ...(config.natsPassword === undefined ? {} : { pass: config.natsPassword }),
    ...(config.natsToken === undefined ? {} : { token: config.natsToken }),
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.toLowerCase() : String(error)
}

function redact(url: string): string {
  return url.replaceAll(/\/\/[^@/]*@/g, '//')
}
