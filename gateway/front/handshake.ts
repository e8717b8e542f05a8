// The opening handshake of a WebSocket, as RFC 6455 asks for it. uWebSockets.js answers 101 to nearly
// anything that says `Upgrade`, so all of it is checked here first.

import { CallError } from '../../shared/errors.js'
import type { Refusal } from './admission.js'
import { chooseCompression } from './compression-offer.js'
import { type RequestHead, valuesOf } from './request-head.js'

/** Browsers cannot set Authorization on a WebSocket: the token comes as a subprotocol behind this. */
const BEARER_PREFIX = 'bearer.'

export interface Handshake {
  readonly key: string
  /** What `res.upgrade` is given of the extensions that the client offers. */
  readonly extensions: string
  /** What the client offers, in its order, its token among them. */
  readonly protocols: readonly string[]
  /** The subprotocol that carries a token, whole. */
  readonly tokenProtocol: string | null
}

export type HandshakeFault = { readonly error: CallError; readonly how: Refusal }

export function readHandshake(head: RequestHead): Handshake | HandshakeFault {
  const { headers } = head
  if (head.method !== 'GET') return fault('bad_request', 'A WebSocket opens with GET.')
  if (head.framing !== null) return fault('bad_request', 'A WebSocket opens without a body.')
  if (head.upgrade.trim().toLowerCase() !== 'websocket') {
    return fault('bad_request', 'Send one Upgrade: websocket.')
  }
  const connection = listOf([head.connection])
  if (!connection.some((token) => token.toLowerCase() === 'upgrade')) {
    return fault('bad_request', 'Send Connection: Upgrade.')
  }
  if (connection.some((token) => token.toLowerCase() === 'close')) {
    return fault('bad_request', 'A connection that is to be closed cannot become a WebSocket.')
  }
  const versions = valuesOf(headers, 'sec-websocket-version')
  if (versions.length !== 1 || versions[0]!.trim() !== '13') {
    return fault('upgrade_required', 'Send one Sec-WebSocket-Version: 13.', [
      'sec-websocket-version',
      '13',
    ])
  }
  const keys = valuesOf(headers, 'sec-websocket-key')
  if (keys.length !== 1 || !/^[A-Za-z0-9+/]{22}==$/.test(keys[0]!.trim())) {
    return fault('bad_request', 'Send one Sec-WebSocket-Key: 16 bytes in base64.')
  }
  const protocols = listOf(valuesOf(headers, 'sec-websocket-protocol'))
  return {
    key: keys[0]!.trim(),
    extensions: chooseCompression(valuesOf(headers, 'sec-websocket-extensions').join(', ')),
    protocols,
    tokenProtocol: protocols.find((protocol) => protocol.startsWith(BEARER_PREFIX)) ?? null,
  }
}

/** The head as if the token had come in Authorization, and never with the rest. */
export function withTokenFromProtocol(head: RequestHead, handshake: Handshake): RequestHead {
  const { tokenProtocol } = handshake
  if (tokenProtocol === null) return head
  const rest = handshake.protocols.filter((protocol) => !protocol.startsWith(BEARER_PREFIX))
  const headers: string[] = []
  for (let index = 0; index < head.headers.length; index += 2) {
    if (head.headers[index] === 'sec-websocket-protocol') continue
    headers.push(head.headers[index]!, head.headers[index + 1]!)
  }
  if (rest.length > 0) headers.push('sec-websocket-protocol', rest.join(', '))
  const authorization =
    head.authorization === ''
      ? `Bearer ${tokenProtocol.slice(BEARER_PREFIX.length)}`
      : head.authorization
  return { ...head, headers, authorization }
}

function listOf(values: readonly string[]): string[] {
  return values
    .flatMap((value) => value.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function fault(
  code: 'bad_request' | 'upgrade_required',
  message: string,
  headers: readonly string[] = [],
): HandshakeFault {
  return { error: new CallError(code, message), how: { headers, connection: 'cut' } }
}
