// Request bodies that come compressed (RFC 9110, 8.4), for `run`; a `fetch` function is given them as they came.

import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions } from 'node:zlib'
import { RunnerError } from './runner-error.js'

type Decode = (
  body: Uint8Array,
  options: ZlibOptions,
  callback: (error: NodeJS.ErrnoException | null, decoded: Buffer) => void,
) => void

const DECODERS = new Map<string, Decode>([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['deflate', inflateEither],
  ['br', brotliDecompress],
])

/**
 * Decodes a body by its Content-Encoding; libuv's threads do the work.
 * @param maxBytes largest decoded body, or null: a few bytes can stand for gigabytes
 * @throws RunnerError `bad_request`, `payload_too_large` or `unsupported_media_type`
 */
export function decodeContent(
  body: Uint8Array,
  coding: string,
  maxBytes: number | null,
): Promise<Uint8Array> {
  const name = coding.trim().toLowerCase()
  // Nothing is nothing in every coding: some clients say one with each of their requests.
  if (name === 'identity' || body.length === 0) return Promise.resolve(body)
  const decode = DECODERS.get(name)
  if (decode === undefined) {
    const sentence = `The content coding ${name} is not supported; send one of gzip, deflate and br, or none.`
    return Promise.reject(new RunnerError('unsupported_media_type', sentence))
  }
  return new Promise((resolve, reject) => {
    // Zlib has no room for nothing: a byte more than may be is found out below.
    const limit = maxBytes === null ? {} : { maxOutputLength: Math.max(maxBytes, 1) }
    decode(body, limit, (error, decoded) => {
      if (error !== null && error.code !== 'ERR_BUFFER_TOO_LARGE') {
        return reject(new RunnerError('bad_request', `The body is not valid ${name}.`))
      }
      if (error !== null || decoded.length > (maxBytes ?? Number.POSITIVE_INFINITY)) {
        const sentence = `The body is larger than ${maxBytes} bytes when it is decoded.`
        return reject(new RunnerError('payload_too_large', sentence))
      }
      resolve(decoded)
    })
  })
}

/** `deflate` means the format of zlib, whose first byte tells; some clients send it without its frame. */
function inflateEither(...[body, options, callback]: Parameters<Decode>): void {
  const hasFrame = (body[0]! & 0x0f) === 8
  if (hasFrame) inflate(body, options, callback)
  else inflateRaw(body, options, callback)
}
