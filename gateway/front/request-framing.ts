// Where a request's body ends. uWebSockets.js reads the first of several Content-Lengths and takes any
// Transfer-Encoding for chunked; a proxy in front of us may read them otherwise, and what lies between
// the two readings is a smuggled request. So whatever is not plain is refused and the connection closed.

/** `null`: no body. `bytes: null`: chunked, of unknown length. */
export type Framing = { readonly bytes: number | null } | null | 'refused'

/**
 * @param contentLength the one Content-Length field, as sent
 * @param transferEncoding the one Transfer-Encoding field, as sent
 */
export function readFraming(
  contentLength: string | null,
  transferEncoding: string | null,
): Framing {
  if (transferEncoding !== null) {
    const isPlain = contentLength === null && transferEncoding.trim().toLowerCase() === 'chunked'
    return isPlain ? { bytes: null } : 'refused'
  }
  if (contentLength === null) return null
  if (!/^[0-9]{1,15}$/.test(contentLength)) return 'refused'
  const bytes = Number(contentLength)
  return bytes === 0 ? null : { bytes }
}
