// Fields that are about one connection and not about the request: who passes a request on leaves them out
// (RFC 9110, 7.6.1). A function that gives the headers it has to `fetch` would else fail at the first of them.

/** What nearly everybody sends who sends anything, and what names no field. */
const PLAIN = new Set(['keep-alive', 'close', 'Keep-Alive', 'Close', 'Upgrade', 'upgrade'])

/**
 * They are said of the request to whoever serves it, by a proxy perhaps: a client must not be able to take
 * them away behind it.
 */
const NEVER_OF_A_CONNECTION = /^(?:host|content-.*|forwarded|x-forwarded-.*|x-real-ip)$/

/**
 * Takes the fields that Connection names out of the headers; `request-head.ts` leaves out those that are always
 * of the connection.
 * @param connection all values of Connection, joined by commas
 */
export function dropNamedFields(headers: string[], connection: string): void {
  if (connection === '' || PLAIN.has(connection)) return
  const named = new Set(
    connection
      .split(',')
      .map((option) => option.trim().toLowerCase())
      .filter((option) => !NEVER_OF_A_CONNECTION.test(option)),
  )
  let kept = 0
  for (let index = 0; index < headers.length; index += 2) {
    if (named.has(headers[index]!)) continue
    headers[kept++] = headers[index]!
    headers[kept++] = headers[index + 1]!
  }
  headers.length = kept
}
