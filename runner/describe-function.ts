// A function's declaration -> its manifest, with the defaults filled in and every fault named.

import {
  DEFAULT_LOAD_TIMEOUT_MS,
  DEFAULT_MAX_ATTEMPTS,
  DEFAULT_MAX_MESSAGE_BYTES,
  DEFAULT_PING_MS,
  DEFAULT_RUN_MAX_BODY_BYTES,
  DEFAULT_SOCKET_IDLE_MS,
  DEFAULT_TIMEOUT_MS,
  FUNCTION_NAME,
  MANIFEST_VERSION,
  type Manifest,
  ManifestError,
  readManifest,
} from '../shared/manifest.js'
import { parsePath, parseRoute } from '../shared/route-pattern.js'
import type { DefinedFunction } from './define-function.js'

/** @param defaultName from the file's name, where the function declares none */
export function describeFunction(definition: DefinedFunction, defaultName: string): Manifest {
  const name = definition.name ?? defaultName
  if (!FUNCTION_NAME.test(name)) {
    throw new ManifestError(
      `name: ${JSON.stringify(name)} is not a function's name; use lower-case letters, digits, - and _, 63 at most.`,
    )
  }
  checkOptions(definition)
  const form = formOf(definition)
  const routes = routesOf(definition, name, form)
  checkAffinity(definition, routes)
  return readManifest({
    version: MANIFEST_VERSION,
    name,
    form,
    routes,
    auth: authOf(definition),
    maxInputs: definition.maxInputs ?? 1,
    timeoutMs: limit(definition.timeoutMs, form === 'socket' ? null : DEFAULT_TIMEOUT_MS),
    firstByteMs: limit(definition.firstByteMs, null),
    idleMs: limit(definition.idleMs, form === 'socket' ? DEFAULT_SOCKET_IDLE_MS : null),
    pingMs: limit(definition.pingMs, DEFAULT_PING_MS),
    maxMessageBytes:
      (definition.socket === undefined ? undefined : definition.maxMessageBytes) ??
      DEFAULT_MAX_MESSAGE_BYTES,
    maxBodyBytes: limit(
      definition.maxBodyBytes,
      form === 'run' ? DEFAULT_RUN_MAX_BODY_BYTES : null,
    ),
    idempotent: definition.idempotent ?? false,
    runsOnce: definition.idempotent === false,
    maxAttempts: definition.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    affinity: definition.affinity ?? null,
    loadTimeoutMs: limit(definition.loadTimeoutMs, DEFAULT_LOAD_TIMEOUT_MS),
  })
}

type KeyOf<Declaration> = Declaration extends unknown ? Extract<keyof Declaration, string> : never

/** All that a declaration may have; the compiler sees to it that none is missing. */
const OPTIONS: Readonly<Record<KeyOf<DefinedFunction>, true>> = {
  name: true,
  route: true,
  auth: true,
  input: true,
  load: true,
  loadTimeoutMs: true,
  maxInputs: true,
  timeoutMs: true,
  firstByteMs: true,
  idleMs: true,
  pingMs: true,
  maxBodyBytes: true,
  maxMessageBytes: true,
  idempotent: true,
  maxAttempts: true,
  affinity: true,
  run: true,
  fetch: true,
  socket: true,
}

/** What is misspelt would else be what its author did not want: a `scope` beside `auth`, a call for everybody. */
function checkOptions(definition: DefinedFunction): void {
  const unknown = Object.keys(definition).filter((key) => !Object.hasOwn(OPTIONS, key))
  if (unknown.length === 0) return
  throw new ManifestError(
    `${unknown.join(', ')}: no option of a function. There are ${Object.keys(OPTIONS).join(', ')}.`,
  )
}

function formOf(definition: DefinedFunction): Manifest['form'] {
  const forms = (['run', 'fetch', 'socket'] as const).filter(
    (form) => definition[form] !== undefined,
  )
  const form = forms[0]
  if (form === undefined || forms.length > 1 || typeof definition[form] !== 'function') {
    throw new ManifestError('A function has exactly one of `run`, `fetch` and `socket`.')
  }
  return form
}

function routesOf(definition: DefinedFunction, name: string, form: Manifest['form']): string[] {
  const { route } = definition
  if (route === undefined) return [defaultRoute(name, form)]
  const routes = typeof route === 'string' ? [route] : [...route]
  for (const text of routes) {
    const { method } = readRoute(text)
    if ((method === 'WS') !== (form === 'socket')) {
      throw new ManifestError(
        form === 'socket'
          ? `route: ${text} cannot be served by \`socket\`; write WS /path.`
          : `route: ${text} is a WebSocket's, which needs the form \`socket\`.`,
      )
    }
  }
  return routes
}

/** A parameter that no route has would be a key that no call has. */
function checkAffinity({ affinity }: DefinedFunction, routes: readonly string[]): void {
  const param: unknown = affinity != null && 'param' in affinity ? affinity.param : undefined
  if (typeof param !== 'string') return
  const segments = routes.flatMap((route) => parsePath(parseRoute(route).path))
  const names = segments.map((segment) => {
    if (segment.kind === 'static') return null
    return segment.kind === 'wildcard' ? '*' : segment.name
  })
  if (names.includes(param)) return
  throw new ManifestError(`affinity: none of the routes has a parameter ${param}.`)
}

function readRoute(text: string): ReturnType<typeof parseRoute> {
  try {
    return parseRoute(text)
  } catch (error) {
    throw new ManifestError(`route: ${(error as Error).message}`)
  }
}

function defaultRoute(name: string, form: Manifest['form']): string {
  if (form === 'fetch') return `/${name}/*`
  return form === 'run' ? `POST /${name}` : `WS /${name}`
}

function authOf({ auth }: DefinedFunction): Manifest['auth'] {
  if (auth === 'public') return 'public'
  if (auth === undefined) return { scopes: [] }
  const scope: unknown = typeof auth === 'object' ? auth?.scope : undefined
  const given: unknown = typeof scope === 'string' ? scope.split(/\s+/) : scope
  const scopes = Array.isArray(given) ? given.filter((each) => each !== '') : []
  if (scopes.length > 0 && Object.keys(auth).length === 1) return { scopes }
  throw new ManifestError(
    "auth: is 'public', or { scope: 'a b' } with one scope or more; leave it out to take any valid token.",
  )
}

/** `Infinity` is null on the wire and in JSON. */
function limit(value: number | undefined, otherwise: number | null): number | null {
  if (value === undefined) return otherwise
  return value === Number.POSITIVE_INFINITY ? null : value
}
