// What the head of a request says, read while uWebSockets.js lets us: until its handler returns. Of a field
// that may stand there once and stands there twice, whoever is in front of us may have read the other one:
// none is taken for the right one. A second Host does not come so far, the engine refuses it.

import type { HttpRequest } from 'uWebSockets.js'
import { dropNamedFields } from './connection-fields.js'
import { type Framing, readFraming } from './request-framing.js'

export interface RequestHead {
  readonly method: string
  readonly path: string
  /** Path and query. */
  readonly url: string
  readonly host: string
  readonly authorization: string
  readonly hasTwoAuthorizations: boolean
  /** Of the field `Idempotency-Key`; empty, and so refused, where it stands there twice. */
  readonly idempotencyKey: string | null
  /** It said `Connection: close`, as the engine sees it. */
  readonly endsConnection: boolean
  /** All values of `Connection`, joined by commas; empty without one. */
  readonly connection: string
  /** The same of `Upgrade`. */
  readonly upgrade: string
  /** Names in lower case and values in turn, without `authorization` and the fields of the connection. */
  readonly headers: string[]
  readonly framing: Framing
}

export function readHead(req: HttpRequest): RequestHead {
  const headers: string[] = []
  let authorization: string | null = null
  let hasTwoAuthorizations = false
  let idempotencyKey: string | null = null
  let host = ''
  let contentLength: string | null = null
  let transferEncoding: string | null = null
  let isFramedTwice = false
  let endsConnection = false
  let connection = ''
  let upgrade = ''
  req.forEach((name, value) => {
    switch (name) {
      case 'authorization':
        hasTwoAuthorizations ||= authorization !== null
        authorization = value
        return
      case 'content-length':
        isFramedTwice ||= contentLength !== null
        contentLength = value
        break
      case 'transfer-encoding':
        isFramedTwice ||= transferEncoding !== null
        transferEncoding = value
        return
      case 'idempotency-key':
        idempotencyKey = idempotencyKey === null ? value : ''
        break
      case 'connection':
        endsConnection = value.length === 'close'.length
        connection = connection === '' ? value : `${connection}, ${value}`
        return
      case 'upgrade':
        upgrade = upgrade === '' ? value : `${upgrade}, ${value}`
        return
      case 'expect':
      case 'http2-settings':
      case 'keep-alive':
      case 'proxy-authorization':
      case 'proxy-connection':
      case 'te':
      case 'trailer':
        return
      case 'host':
        host = value
        break
    }
    headers.push(name, value)
  })
  dropNamedFields(headers, connection)
  const path = req.getUrl()
  const query = req.getQuery()
  const method = req.getCaseSensitiveMethod()
  return {
    // `WS` is the route table's word for an upgrade, never a method that a client may send.
    method: method === 'WS' ? 'ws' : method,
    path,
    url: query === undefined || query === '' ? path : `${path}?${query}`,
    host,
    authorization: authorization ?? '',
    hasTwoAuthorizations,
    idempotencyKey,
    endsConnection,
    connection,
    upgrade,
    headers,
    framing: isFramedTwice ? 'refused' : readFraming(contentLength, transferEncoding),
  }
}

/** The values of a field, in the order in which they came. */
export function valuesOf(headers: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] === name) values.push(headers[index + 1]!)
  }
  return values
}
