// A function's declaration -> its manifest, with the defaults filled in and every fault named.

import {
  DEFAULT_RUN_MAX_BODY_BYTES,
  DEFAULT_TIMEOUT_MS,
  FUNCTION_NAME,
  MANIFEST_VERSION,
  type Manifest,
  ManifestError,
  readManifest,
} from '../shared/manifest.js'
import { parseRoute } from '../shared/route-pattern.js'
import type { DefinedFunction } from './define-function.js'

/** @param defaultName from the file's name, where the function declares none */
export function describeFunction(definition: DefinedFunction, defaultName: string): Manifest {
  const name = definition.name ?? defaultName
  if (!FUNCTION_NAME.test(name)) {
    throw new ManifestError(
      `name: ${JSON.stringify(name)} is not a function's name; use lower-case letters, digits, - and _, 63 at most.`,
    )
  }
  const form = formOf(definition)
  const routes = routesOf(definition, name, form)
  for (const route of routes) parseRoute(route)
  return readManifest({
    version: MANIFEST_VERSION,
    name,
    form,
    routes,
    auth: authOf(definition),
    maxInputs: definition.maxInputs ?? 1,
    timeoutMs: limit(definition.timeoutMs, DEFAULT_TIMEOUT_MS),
    maxBodyBytes: limit(
      definition.maxBodyBytes,
      form === 'run' ? DEFAULT_RUN_MAX_BODY_BYTES : null,
    ),
  })
}

function formOf(definition: DefinedFunction): 'run' | 'fetch' {
  const forms = [definition.run, definition.fetch].filter((form) => form !== undefined)
  if (forms.length !== 1 || typeof forms[0] !== 'function') {
    throw new ManifestError('A function has exactly one of `run` and `fetch`.')
  }
  return definition.run === undefined ? 'fetch' : 'run'
}

function routesOf(definition: DefinedFunction, name: string, form: 'run' | 'fetch'): string[] {
  const { route } = definition
  if (route !== undefined) return typeof route === 'string' ? [route] : [...route]
  return form === 'run' ? [`POST /${name}`] : [`/${name}/*`]
}

function authOf({ auth }: DefinedFunction): Manifest['auth'] {
  if (auth === 'public') return 'public'
  if (auth === undefined) return { scopes: [] }
  return { scopes: typeof auth.scope === 'string' ? auth.scope.split(' ') : [...auth.scope] }
}

/** `Infinity` is null on the wire and in JSON. */
function limit(value: number | undefined, otherwise: number | null): number | null {
  if (value === undefined) return otherwise
  return value === Number.POSITIVE_INFINITY ? null : value
}
