// Headers as they travel: names (lower case) and values in turn.

import type { FlatHeaders } from './frame.js'

/** The first value of a field, or null. */
export function headerValue(headers: FlatHeaders, name: string): string | null {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] === name) return headers[index + 1]!
  }
  return null
}
