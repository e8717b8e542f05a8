// Reads CALL frames by hand: most of what a runner reads, from few clients with few principals. The general
// decoder of `codec.ts` reads every other frame, and whatever is not as expected here.

import { copyBytes } from './copy-bytes.js'
import { type CallFrame, type FlatHeaders, FRAME, type WirePrincipal } from './frame.js'
import { endOfValue, type MsgpackLimits } from './msgpack-bounds.js'
import { MsgpackCursor } from './msgpack-cursor.js'

const CALL_ELEMENTS = 0x9c
const NIL = 0xc0
const FALSE = 0xc2
const TRUE = 0xc3
const UNKNOWN = -1
/** A larger one is left to the general decoder, which has no limits. */
const PRINCIPAL_LIMITS: MsgpackLimits = { maxDepth: 32, maxItems: 1024 }
/** Principals whose bytes are compared with a call's. */
const KNOWN_PRINCIPALS = 8

interface KnownPrincipal {
  readonly bytes: Uint8Array
  readonly principal: WirePrincipal
}

export class CallReader {
  readonly #decodePrincipal: (bytes: Uint8Array) => WirePrincipal | null
  readonly #cursor = new MsgpackCursor()
  readonly #principals: KnownPrincipal[] = []
  #nextPlace = 0

  /** @param decodePrincipal null for what is none */
  constructor(decodePrincipal: (bytes: Uint8Array) => WirePrincipal | null) {
    this.#decodePrincipal = decodePrincipal
  }

  /** Where the frame that was read last ends. */
  get end(): number {
    return this.#cursor.at
  }

  /** The CALL that begins at `start`, or null: then the general decoder must look. */
  read(message: Buffer, start: number): CallFrame | null {
    if (message[start] !== CALL_ELEMENTS || message[start + 1] !== FRAME.call) return null
    const cursor = this.#cursor
    cursor.begin(message, start + 2)
    const id = cursor.count()
    if (id === UNKNOWN) return null
    const callId = cursor.text(true)
    if (callId === null) return null
    const timeoutMs = cursor.skip(NIL) ? null : cursor.count()
    const replyCreditBytes = cursor.count()
    if (timeoutMs === UNKNOWN || replyCreditBytes === UNKNOWN) return null
    const method = cursor.text()
    if (method === null) return null
    const url = cursor.text()
    if (url === null) return null
    const params = cursor.skip(NIL) ? null : this.#readParams()
    if (params === undefined) return null
    const headers = this.#readHeaders()
    if (headers === null) return null
    const principal = cursor.skip(NIL) ? null : this.#readPrincipal(message)
    if (principal === undefined) return null
    const body = cursor.skip(NIL) ? null : cursor.bytes()
    if (body === undefined) return null
    const hasMore = cursor.skip(TRUE)
    if (!hasMore && !cursor.skip(FALSE)) return null
    return [
      FRAME.call,
      id,
      callId,
      timeoutMs,
      replyCreditBytes,
      method,
      url,
      params,
      headers,
      principal,
      body,
      hasMore,
    ]
  }

  #readParams(): Record<string, string> | undefined {
    const count = this.#cursor.mapLength()
    if (count === UNKNOWN) return undefined
    const params: Record<string, string> = {}
    for (let index = 0; index < count; index++) {
      const name = this.#cursor.text()
      const value = this.#cursor.text()
      if (name === null || name === '__proto__' || value === null) return undefined
      params[name] = value
    }
    return params
  }

  #readHeaders(): FlatHeaders | null {
    const count = this.#cursor.arrayLength()
    if (count === UNKNOWN || count % 2 !== 0) return null
    const headers: string[] = []
    for (let index = 0; index < count; index++) {
      const text = this.#cursor.text()
      if (text === null) return null
      headers.push(text)
    }
    return headers
  }

  /** One for all calls with the same bytes, so frozen. */
  #readPrincipal(message: Buffer): WirePrincipal | undefined {
    const cursor = this.#cursor
    for (const { bytes, principal } of this.#principals) {
      if (cursor.skipSame(bytes)) return principal
    }
    const end = endOfValue(message, cursor.at, PRINCIPAL_LIMITS)
    if (typeof end === 'string' || end === -1) return undefined
    const bytes = copyBytes(message.subarray(cursor.at, end))
    const principal = this.#decodePrincipal(bytes)
    if (principal === null) return undefined
    deepFreeze(principal)
    this.#principals[this.#nextPlace] = { bytes, principal }
    this.#nextPlace = (this.#nextPlace + 1) % KNOWN_PRINCIPALS
    cursor.at = end
    return principal
  }
}

/** Without recursion, whose depth would be the sender's to choose. */
export function deepFreeze(value: unknown): void {
  const open = [value]
  while (open.length > 0) {
    const each = open.pop()
    if (typeof each !== 'object' || each === null || ArrayBuffer.isView(each)) continue
    Object.freeze(each)
    for (const item of Object.values(each)) open.push(item)
  }
}
