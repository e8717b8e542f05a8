// Reads large messages without garbage. A message that the socket delivers in pieces is put together by the
// client library in an array that it grows as they come: for a chunk of 256 KiB it makes arrays of 64, 192
// and 448 KiB, clears each and copies what it has. Its length is known from its first piece on, so it gets
// one array; of a subscription that only borrows its payloads, one that the next message gets as well. The
// collector counts what lies outside of its heap: of bodies alone, it ran seventy times a gigabyte.
//
// It also takes the library's place at the socket: there, what a read brought would wait for an async
// iterator, half a dozen promises later. Of 105 us of CPU that a message there and back costs, these are ten.
//
// For this a few of the library's internals are used; where a release has none of them, its own way is.

import type { Socket } from 'node:net'
import type { NatsConnection } from '@nats-io/transport-node'
import { bufferPool } from './buffer-pool.js'
import { ReadGarbage } from './read-garbage.js'

/** What is used of the client beyond its public interface. Each connection has others of them. */
interface Protocol {
  readonly parser?: Parser
  readonly transport?: { readonly socket?: Socket }
}

interface Parser {
  parse(bytes: Uint8Array): void
  /** Of a payload of which a piece has come. */
  msgBuf?: PayloadBuffer | undefined
  /** Of the message whose payload it is. */
  readonly ma?: { readonly size: number; readonly sid: number }
}

/** What the parser asks of the array in which a payload is gathered. */
interface PayloadBuffer {
  readonly length: number
  bytes(options?: { copy?: boolean }): Uint8Array
  write(bytes: Uint8Array): unknown
  writeByte(byte: number): unknown
}

export class NatsReader {
  readonly #borrowers = new Set<number>()
  readonly #garbage = new ReadGarbage()
  /** Of a borrower, being gathered. */
  #lent: GatheredPayload | null = null

  /** To be called anew after each reconnect. */
  follow(connection: NatsConnection): void {
    const { protocol } = connection as unknown as { protocol?: Protocol }
    const parser = protocol?.parser
    if (typeof parser?.parse !== 'function') return
    const { parse } = parser
    this.#lent = null
    parser.parse = (bytes) => {
      parse.call(parser, bytes)
      this.#onParsed(parser)
      this.#garbage.onRead(bytes.length)
    }
    const socket = protocol?.transport?.socket
    // In the next turn all that came before has been parsed.
    if (socket !== undefined) setImmediate(() => readAtOnce(socket, parser))
  }

  /** The payloads of this subscription are read before its callback returns, and then no more. */
  addBorrower(subscriptionId: number): void {
    this.#borrowers.add(subscriptionId)
  }

  deleteBorrower(subscriptionId: number): void {
    this.#borrowers.delete(subscriptionId)
  }

  #onParsed(parser: Parser): void {
    const begun = parser.msgBuf
    // The callback has seen it.
    if (this.#lent !== null && begun !== this.#lent) {
      bufferPool.give(this.#lent.buffer)
      this.#lent = null
    }
    if (begun === undefined || begun instanceof GatheredPayload || parser.ma === undefined) return
    const { size, sid } = parser.ma
    const isBorrowed = this.#borrowers.has(sid)
    const buffer = isBorrowed ? bufferPool.take(size) : Buffer.allocUnsafeSlow(size)
    const payload = new GatheredPayload(buffer, begun.bytes({ copy: false }))
    parser.msgBuf = payload
    if (isBorrowed) this.#lent = payload
  }
}

/** Every read is parsed as it comes. */
function readAtOnce(socket: Socket, parser: Parser): void {
  const [librarys, ...others] = socket.listeners('data') as (() => void)[]
  if (librarys === undefined || others.length > 0) return
  socket.off('data', librarys)
  socket.on('data', (bytes: Buffer) => {
    try {
      parser.parse(bytes)
    } catch (error) {
      // What follows could not be understood either; the library connects again.
      socket.destroy(error as Error)
    }
  })
}

class GatheredPayload implements PayloadBuffer {
  readonly buffer: Buffer
  length = 0

  /** @param begin what has come of it */
  constructor(buffer: Buffer, begin: Uint8Array) {
    this.buffer = buffer
    this.write(begin)
  }

  bytes(): Uint8Array {
    const { buffer, byteOffset } = this.buffer
    // No Buffer, as the library's own are none.
    return new Uint8Array(buffer, byteOffset, this.length)
  }

  write(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  writeByte(byte: number): void {
    this.buffer[this.length++] = byte
  }
}
