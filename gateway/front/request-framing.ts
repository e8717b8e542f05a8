// Where a request's body ends. uWebSockets.js reads the first of several Content-Lengths and takes any
// Transfer-Encoding for chunked; a proxy in front of us may read them otherwise, and what lies between
// the two readings is a smuggled request. So whatever is not plain is refused and the connection closed.

/** `null`: no body. `bytes: null`: chunked, of unknown length. */
export type Framing = { readonly bytes: number | null } | null | 'refused'

export interface FramingFields {
  /** Content-Length fields, as sent. */
  readonly contentLengths: readonly string[]
  /** Transfer-Encoding fields, as sent. */
  readonly transferEncodings: readonly string[]
}

export function readFraming({ contentLengths, transferEncodings }: FramingFields): Framing {
  if (transferEncodings.length > 0) {
    const isPlain =
      transferEncodings.length === 1 &&
      contentLengths.length === 0 &&
      transferEncodings[0]!.trim().toLowerCase() === 'chunked'
    return isPlain ? { bytes: null } : 'refused'
  }
  if (contentLengths.length === 0) return null
  const text = contentLengths[0]!
  if (contentLengths.length > 1 || !/^[0-9]{1,15}$/.test(text)) return 'refused'
  const bytes = Number(text)
  return bytes === 0 ? null : { bytes }
}
