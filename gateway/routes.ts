// Finds the function a request is for. A table never changes: a deploy builds a new one and the
// gateway swaps them, so a lookup sees one deploy or the next and never half of each.
// At each segment static text is tried first, then a parameter, then the wildcard; a branch that
// leads nowhere, or only to other methods, is given up for the next. A host's own routes come
// before those of every host. Paths are matched as sent: static escapes are not resolved; parameters are
// percent-decoded once, so an escaped slash arrives as a slash. What a URL parser behind us would read as
// another path is refused, so that the path that was let in is the one that is served.

import { type PathSegment, parsePath } from '../shared/route-pattern.js'

export interface RouteEntry<T> {
  method: string
  host?: string | undefined
  path: string
  target: T
}

export type RouteMatch<T> =
  | { readonly kind: 'found'; readonly target: T; readonly params: RouteParams }
  /** The path exists: for these methods, and as a WebSocket where `upgrade` is true. */
  | { readonly kind: 'wrong_method'; readonly allow: readonly string[]; readonly upgrade: boolean }
  /** A malformed escape in a parameter, or a byte that no path may hold. */
  | { readonly kind: 'bad_path' }
  | { readonly kind: 'none' }

/** By name; the rest that a wildcard took is under `*`. */
export type RouteParams = Readonly<Record<string, string>>

export interface RouteConflict<T> {
  route: string
  kept: T
  refused: T
}

const NO_PARAMS: RouteParams = Object.freeze({})
const NONE = Object.freeze({ kind: 'none' as const })
const BAD_PATH = Object.freeze({ kind: 'bad_path' as const })
const ANY_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
/** `.` and `..` as segments, however they are escaped; a backslash, which is a slash to URL; a fragment. */
const AMBIGUOUS = /\/(?:\.|%2e){1,2}(?:\/|$)|[\\#]/i
// The longest name DNS can hold; it bounds the work of looking for `*.` hosts.
const MAX_HOST_CHARS = 253

export class RouteTable<T> {
  /** Entries left out because an earlier one already has their method, host and path shape. */
  readonly conflicts: readonly RouteConflict<T>[]
  readonly #everyHost = new HostRoutes<T>()
  readonly #byHost = new Map<string, HostRoutes<T>>()

  /** @throws Error for a path that {@link parsePath} refuses. */
  static build<T>(entries: readonly RouteEntry<T>[]): RouteTable<T> {
    return new RouteTable(entries)
  }

  private constructor(entries: readonly RouteEntry<T>[]) {
    const conflicts: RouteConflict<T>[] = []
    for (const entry of entries) {
      const { method, host, path, target } = entry
      const segments = segmentsOf(entry)
      const kept = this.#routesOf(host).add(method, path, segments, target)
      if (kept === undefined) continue
      conflicts.push({
        route: `${method} ${host ?? ''}${path}`,
        kept: kept.target,
        refused: target,
      })
    }
    this.conflicts = conflicts
  }

  /**
   * @param method upper case; `WS` for the upgrade to a WebSocket, so the caller refuses a plain
   *   request that names `WS` as its own method.
   * @param host the Host header as sent, or an empty string.
   * @param path as sent, without the query.
   */
  match(method: string, host: string, path: string): RouteMatch<T> {
    if (this.#byHost.size === 0) return this.#everyHost.match(method, path) ?? NONE
    let wrongMethod: RouteMatch<T> | undefined
    for (const routes of this.#candidates(host)) {
      const match = routes.match(method, path)
      if (match === undefined) continue
      if (match.kind !== 'wrong_method') return match
      wrongMethod = wrongMethod === undefined ? match : union(wrongMethod, match)
    }
    return wrongMethod ?? NONE
  }

  #routesOf(host: string | undefined): HostRoutes<T> {
    if (host === undefined) return this.#everyHost
    const key = host.toLowerCase()
    let routes = this.#byHost.get(key)
    if (routes === undefined) {
      routes = new HostRoutes()
      this.#byHost.set(key, routes)
    }
    return routes
  }

  *#candidates(host: string): Generator<HostRoutes<T>> {
    const name = hostName(host)
    const exact = this.#byHost.get(name)
    if (exact !== undefined) yield exact
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      const wildcard = this.#byHost.get(`*${name.slice(dot)}`)
      if (wildcard !== undefined && dot > 0) yield wildcard
    }
    yield this.#everyHost
  }
}

interface Route<T> {
  target: T
  parameterNames: readonly string[]
}

/** Of ten thousand most have only one of these: an empty map is not nothing. */
interface Node<T> {
  statics: Map<string, Node<T>> | undefined
  parameter: Node<T> | undefined
  routes: Map<string, Route<T>> | undefined
  wildcardRoutes: Map<string, Route<T>> | undefined
}

/** The routes of one host, or of every host. */
class HostRoutes<T> {
  readonly #root: Node<T> = newNode()
  // By method, then path. Answers most requests at once: a path without parameters always wins.
  // Two maps, because hashing a joined `METHOD path` costs four times as much as both lookups.
  readonly #static = new Map<string, Map<string, RouteMatch<T>>>()

  /** Returns the route that is already there, if one is, and then adds nothing. */
  add(
    method: string,
    path: string,
    segments: readonly PathSegment[],
    target: T,
  ): Route<T> | undefined {
    const routes = this.#routesAt(segments)
    const kept = routes.get(method)
    if (kept !== undefined) return kept
    routes.set(method, { target, parameterNames: namesIn(segments) })
    if (segments.every((segment) => segment.kind === 'static')) this.#indexStatic(path, routes)
    return undefined
  }

  match(method: string, path: string): RouteMatch<T> | undefined {
    return this.#static.get(method)?.get(path) ?? this.#search(method, path)
  }

  #routesAt(segments: readonly PathSegment[]): Map<string, Route<T>> {
    let node = this.#root
    for (const segment of segments) {
      if (segment.kind === 'wildcard') {
        node.wildcardRoutes ??= new Map()
        return node.wildcardRoutes
      }
      if (segment.kind === 'parameter') {
        node.parameter ??= newNode()
        node = node.parameter
        continue
      }
      node.statics ??= new Map()
      let next = node.statics.get(segment.text)
      if (next === undefined) {
        next = newNode()
        node.statics.set(segment.text, next)
      }
      node = next
    }
    node.routes ??= new Map()
    return node.routes
  }

  #indexStatic(path: string, routes: ReadonlyMap<string, Route<T>>): void {
    const methods = new Set<string>()
    for (const method of routes.keys()) addServed(methods, method)
    for (const method of methods) {
      const { target } = routeFor(method, routes)!
      const found = { kind: 'found' as const, target, params: NO_PARAMS }
      let byPath = this.#static.get(method)
      if (byPath === undefined) {
        byPath = new Map()
        this.#static.set(method, byPath)
      }
      byPath.set(path, Object.freeze(found))
    }
  }

  #search(method: string, path: string): RouteMatch<T> | undefined {
    if (!/^\/[!-~]*$/.test(path) || AMBIGUOUS.test(path)) return BAD_PATH
    const search: Search = { method, path, values: [], otherMethods: undefined }
    const match = searchNode(this.#root, search, 0)
    const { otherMethods } = search
    if (match !== undefined || otherMethods === undefined) return match
    const upgrade = otherMethods.delete('WS')
    return { kind: 'wrong_method', allow: [...otherMethods].sort(), upgrade }
  }
}

interface Search {
  readonly method: string
  readonly path: string
  /** What the parameters on the way to the current node took, still encoded. */
  readonly values: string[]
  /** Methods of routes whose path fits, for the answer when none has the right one. */
  otherMethods: Set<string> | undefined
}

/**
 * @param slashAt where the next segment's slash stands; the path's length when none is left.
 * Each node of the tree is visited once at most, so a path's shape cannot make this slow.
 */
function searchNode<T>(node: Node<T>, search: Search, slashAt: number): RouteMatch<T> | undefined {
  const { path, values } = search
  const isEnd = slashAt >= path.length || path === '/'
  if (isEnd) {
    const match = matchAt(node.routes, search)
    if (match !== undefined) return match
  } else {
    const nextSlashAt = path.indexOf('/', slashAt + 1)
    const end = nextSlashAt === -1 ? path.length : nextSlashAt
    const segment = path.slice(slashAt + 1, end)
    const next = node.statics?.get(segment)
    const match = next && searchNode(next, search, end)
    if (match !== undefined) return match
    if (node.parameter !== undefined && segment !== '') {
      values.push(segment)
      const parameterMatch = searchNode(node.parameter, search, end)
      if (parameterMatch !== undefined) return parameterMatch
      values.pop()
    }
  }
  if (node.wildcardRoutes === undefined) return undefined
  values.push(path.slice(slashAt + 1))
  const match = matchAt(node.wildcardRoutes, search)
  values.pop()
  return match
}

function matchAt<T>(
  routes: ReadonlyMap<string, Route<T>> | undefined,
  search: Search,
): RouteMatch<T> | undefined {
  if (routes === undefined) return undefined
  const route = routeFor(search.method, routes)
  if (route === undefined) {
    search.otherMethods ??= new Set()
    for (const other of routes.keys()) addServed(search.otherMethods, other)
    return undefined
  }
  const params: Record<string, string> = {}
  for (let i = 0; i < route.parameterNames.length; i++) {
    const value = decode(search.values[i]!)
    if (value === undefined) return BAD_PATH
    params[route.parameterNames[i]!] = value
  }
  return { kind: 'found', target: route.target, params }
}

function decode(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function routeFor<T>(method: string, routes: ReadonlyMap<string, Route<T>>): Route<T> | undefined {
  const exact = routes.get(method) ?? (method === 'HEAD' ? routes.get('GET') : undefined)
  return exact ?? (method === 'WS' ? undefined : routes.get('ANY'))
}

/** The methods a client may use where a route has this one. */
function addServed(methods: Set<string>, method: string): void {
  if (method === 'ANY') {
    for (const each of ANY_METHODS) methods.add(each)
    return
  }
  methods.add(method)
  if (method === 'GET') methods.add('HEAD')
}

function union<T>(a: RouteMatch<T>, b: RouteMatch<T>): RouteMatch<T> {
  if (a.kind !== 'wrong_method' || b.kind !== 'wrong_method') return a
  const allow = [...new Set([...a.allow, ...b.allow])].sort()
  return { kind: 'wrong_method', allow, upgrade: a.upgrade || b.upgrade }
}

function hostName(host: string): string {
  if (host.length > MAX_HOST_CHARS + ':65535'.length) return ''
  return host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()
}

function namesIn(segments: readonly PathSegment[]): string[] {
  return segments.flatMap((segment) => {
    if (segment.kind === 'static') return []
    return segment.kind === 'parameter' ? segment.name : '*'
  })
}

function newNode<T>(): Node<T> {
  return {
    statics: undefined,
    parameter: undefined,
    routes: undefined,
    wildcardRoutes: undefined,
  }
}

/** The same entries come with every deploy. */
const knownSegments = new WeakMap<object, readonly PathSegment[]>()

function segmentsOf(entry: RouteEntry<unknown>): readonly PathSegment[] {
  let segments = knownSegments.get(entry)
  if (segments === undefined) {
    segments = parsePath(entry.path)
    knownSegments.set(entry, segments)
  }
  return segments
}
