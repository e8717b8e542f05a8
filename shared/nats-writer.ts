// Publishes messages from the buffers in which they were put together. The client library's `publish` puts
// command, payload and line end into a fresh array for every message: with large bodies that is the garbage
// of a gigabyte a second, and the collector took a third of the gateway's time. So the command is written
// before the payload and the line end behind it, and the client gets the whole as one piece, which it sends
// as it is. For that a few of its internals are used; where a release has none of them, `publish` is.

import type { NatsConnection } from '@nats-io/transport-node'
import type { OutgoingMessage } from './bus.js'

/** Large messages go to the socket at once: two of them in one turn would be joined, in a fresh array. */
const FLUSH_BYTES = 8 * 1024
/** Credit bounds what is under way; this bounds how much of it fills our memory, and delays other frames. */
const CONGESTED_BYTES = 2 * 1024 * 1024
const CARRIAGE_RETURN = 0x0d
const NEWLINE = 0x0a

/** What is used of the client beyond its public interface. */
interface Protocol {
  /** Queues bytes; they go to the socket in a microtask. */
  sendCommand(bytes: Uint8Array): void
  flushPending(): void
  readonly outbound: { size(): number }
  /** Another one after each reconnect. */
  readonly transport: { readonly socket?: TransportSocket }
}

interface TransportSocket {
  readonly writableLength: number
  once(event: 'drain', listener: () => void): unknown
}

export class NatsWriter {
  readonly #connection: NatsConnection
  readonly #protocol: Protocol | null
  /** Given to the socket, which may not be through with them. */
  #unsent: OutgoingMessage[] = []
  #willRelease = false

  constructor(connection: NatsConnection) {
    this.#connection = connection
    this.#protocol = protocolOf(connection)
  }

  get isCongested(): boolean {
    return (this.#protocol?.transport.socket?.writableLength ?? 0) >= CONGESTED_BYTES
  }

  /** Not called where the connection is lost before. */
  onceDrained(listener: () => void): void {
    this.#protocol?.transport.socket?.once('drain', listener)
  }

  publish(message: OutgoingMessage): void {
    const { buffer, start, end, subject, replyTo } = message
    const command = `PUB ${subject} ${replyTo} ${end - start}\r\n`
    if (this.#protocol === null || command.length > start || buffer.length < end + 2) {
      const payload = Buffer.from(buffer.subarray(start, end))
      this.#connection.publish(subject, payload, { reply: replyTo })
      return message.release()
    }
    const from = start - command.length
    buffer.write(command, from, 'latin1')
    buffer[end] = CARRIAGE_RETURN
    buffer[end + 1] = NEWLINE
    this.#protocol.sendCommand(buffer.subarray(from, end + 2))
    this.#unsent.push(message)
    if (end - start >= FLUSH_BYTES) {
      this.#protocol.flushPending()
      this.#releaseSent()
    } else if (!this.#willRelease) {
      this.#willRelease = true
      // Behind the client's own microtask, in which it writes.
      queueMicrotask(() => this.#releaseSent())
    }
  }

  /** What the socket took over at once, as it mostly does, can be used again; all of it or nothing. */
  #releaseSent(): void {
    this.#willRelease = false
    const { outbound, transport } = this.#protocol!
    if (outbound.size() > 0 || transport.socket?.writableLength !== 0) return
    const sent = this.#unsent
    this.#unsent = []
    for (const message of sent) message.release()
  }
}

function protocolOf(connection: NatsConnection): Protocol | null {
  const { protocol } = connection as unknown as { protocol?: Partial<Protocol> }
  const isKnown =
    typeof protocol?.sendCommand === 'function' &&
    typeof protocol.flushPending === 'function' &&
    typeof protocol.outbound?.size === 'function' &&
    typeof protocol.transport?.socket?.writableLength === 'number'
  return isKnown ? (protocol as Protocol) : null
}
