// The text form of a route, such as `POST /v1/embeddings`, and its grammar: the manifest, the
// command line and the gateway's route table all read it here, so that a route which deploys is
// a route that can be matched. Static text is compared byte for byte with the path of a request,
// as it was sent: neither percent escapes nor `.` and `..` segments in it are resolved.

/** `ANY` takes every HTTP method; `WS` is the upgrade to a WebSocket and never part of `ANY`. */
export const ROUTE_METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'ANY',
  'WS',
] as const

export type RouteMethod = (typeof ROUTE_METHODS)[number]

export interface RoutePattern {
  method: RouteMethod
  /** Lower case; `*.example.com` takes one or more labels in place of the star. */
  host?: string
  path: string
}

export type PathSegment =
  | { kind: 'static'; text: string }
  | { kind: 'parameter'; name: string }
  | { kind: 'wildcard' }

/**
 * Reads `[METHOD] [host]/path`; without a method the route takes `ANY`.
 * @example parseRoute('GET *.example.com/files/:id') // { method, host, path }
 * @throws Error whose message says what is wrong with the text.
 */
export function parseRoute(text: string): RoutePattern {
  const words = text.trim().split(/\s+/)
  if (words.length > 2) throw fault(text, 'it must read "METHOD /path", with no other spaces')
  const method = words.length === 2 ? parseMethod(text, words[0]!) : 'ANY'
  const target = words.at(-1)!
  const slashAt = target.indexOf('/')
  if (slashAt === -1) throw fault(text, 'the path must begin with a slash')
  const path = target.slice(slashAt)
  parsePath(path)
  if (slashAt === 0) return { method, path }
  return { method, host: parseHost(text, target.slice(0, slashAt)), path }
}

/**
 * The segments of a path pattern: `/a/:id` takes one segment, a last `/*` takes all the rest.
 * @throws Error whose message says what is wrong with the path.
 */
export function parsePath(path: string): PathSegment[] {
  if (!path.startsWith('/')) throw fault(path, 'the path must begin with a slash')
  if (path === '/') return []
  const texts = path.slice(1).split('/')
  const names = new Set<string>()
  return texts.map((text, i): PathSegment => {
    if (text === '') throw fault(path, 'it has an empty segment (a double slash or one at the end)')
    if (text === '*') {
      if (i !== texts.length - 1) throw fault(path, 'the wildcard "*" must be the last segment')
      return { kind: 'wildcard' }
    }
    if (!text.startsWith(':')) return { kind: 'static', text: parseStatic(path, text) }
    const name = text.slice(1)
    // A letter first: no name can then be `__proto__` or look like an array index.
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
      throw fault(path, `"${text}" is not a parameter: a letter, then letters, digits or "_"`)
    }
    if (names.has(name)) throw fault(path, `the parameter ":${name}" is there twice`)
    names.add(name)
    return { kind: 'parameter', name }
  })
}

function parseMethod(route: string, word: string): RouteMethod {
  const method = ROUTE_METHODS.find((known) => known === word)
  if (method !== undefined) return method
  throw fault(route, `unknown method "${word}"; it is one of ${ROUTE_METHODS.join(', ')}`)
}

// A dot is required, so that `v1/chat`, a path without its slash, is not taken for a host.
const HOST = /^(\*\.)?([a-z0-9_-]+\.)+[a-z0-9-]+$|^localhost$|^\[[0-9a-f:.]+\]$/

function parseHost(route: string, text: string): string {
  const host = text.toLowerCase()
  if (HOST.test(host)) return host
  if (/:\d+$/.test(host)) throw fault(route, `leave the port out of the host "${text}"`)
  throw fault(route, `missing slash, or "${text}" is not a host name such as api.example.com`)
}

function parseStatic(path: string, text: string): string {
  if (text.includes('*')) {
    throw fault(path, `in "${text}" the wildcard "*" must be a segment of its own`)
  }
  if (/^\{.*\}$/.test(text)) throw fault(path, `write ":${text.slice(1, -1)}", not "${text}"`)
  if (!/^[!$&-;=@-Z_a-z~%]+$/.test(text)) {
    throw fault(path, `"${text}" holds a character that must be percent-encoded in a path`)
  }
  return text
}

function fault(route: string, what: string): Error {
  return new Error(`Route "${route}": ${what}.`)
}
