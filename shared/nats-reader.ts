// Reads large messages into one array each. A message that the socket delivers in pieces is put together
// by the client library in an array that it grows as they come: for a chunk of 256 KiB it makes arrays of
// 64, 192 and 448 KiB, clears each and copies what it has. Its length is known from its first piece on.
// For this a few of the library's internals are used; where a release has none of them, its own way is.

import type { NatsConnection } from '@nats-io/transport-node'

/** What is used of the client beyond its public interface: its parser, another one for each connection. */
interface Parser {
  parse(bytes: Uint8Array): void
  /** Of a payload of which a piece has come. */
  msgBuf?: PayloadBuffer | undefined
  /** Of the message whose payload it is. */
  readonly ma?: { readonly size: number }
}

/** What the parser asks of the array in which a payload is gathered. */
interface PayloadBuffer {
  readonly length: number
  bytes(options?: { copy?: boolean }): Uint8Array
  write(bytes: Uint8Array): unknown
  writeByte(byte: number): unknown
}

/** To be called anew after each reconnect. */
export function readPayloadsWhole(connection: NatsConnection): void {
  const { protocol } = connection as unknown as { protocol?: { parser?: Parser } }
  const parser = protocol?.parser
  if (typeof parser?.parse !== 'function') return
  const parse = parser.parse
  parser.parse = (bytes) => {
    parse.call(parser, bytes)
    const begun = parser.msgBuf
    const size = parser.ma?.size
    if (begun === undefined || size === undefined || begun instanceof WholePayload) return
    parser.msgBuf = new WholePayload(size, begun.bytes({ copy: false }))
  }
}

class WholePayload implements PayloadBuffer {
  readonly #bytes: Buffer
  length = 0

  constructor(size: number, begin: Uint8Array) {
    this.#bytes = Buffer.allocUnsafeSlow(size)
    this.write(begin)
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  write(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  writeByte(byte: number): void {
    this.#bytes[this.length++] = byte
  }
}
