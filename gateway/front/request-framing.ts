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
  const bytes = readDigits(contentLength)
  if (bytes === null) return 'refused'
  return bytes === 0 ? null : { bytes }
}

/** So many are a safe integer. */
const MAX_DIGITS = 15
const DIGIT_0 = 0x30

/** Null for anything but digits, and for too many of them. By hand: it is read for every body. */
function readDigits(text: string): number | null {
  if (text.length === 0 || text.length > MAX_DIGITS) return null
  let value = 0
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - DIGIT_0
    if (digit < 0 || digit > 9) return null
    value = value * 10 + digit
  }
  return value
}
