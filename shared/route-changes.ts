// Which routes a deploy, or a runner that registers, adds, removes and would take from another function. Pure.

import type { Manifest } from './manifest.js'
import { parseRoute } from './route-pattern.js'

export interface RouteChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly kept: readonly string[]
  /** Routes that other functions have already. */
  readonly conflicts: readonly { readonly route: string; readonly owner: string }[]
}

/** Who has a route, by what it matches: made once for many functions. */
export type RouteOwners = ReadonlyMap<string, readonly string[]>

export function routeOwners(manifests: readonly Manifest[]): RouteOwners {
  const owners = new Map<string, string[]>()
  for (const manifest of manifests) {
    for (const shape of shapesOf(manifest).keys()) {
      const names = owners.get(shape)
      if (names === undefined) owners.set(shape, [manifest.name])
      else names.push(manifest.name)
    }
  }
  return owners
}

/**
 * @param before the function's manifest so far, or null
 * @param owners of all functions; its own routes are no conflict
 */
export function routeChanges(
  before: Manifest | null,
  after: Manifest | null,
  owners: RouteOwners,
): RouteChanges {
  const old = shapesOf(before)
  const now = shapesOf(after)
  return {
    added: [...now].filter(([shape]) => !old.has(shape)).map(([, route]) => route),
    removed: [...old].filter(([shape]) => !now.has(shape)).map(([, route]) => route),
    kept: [...now].filter(([shape]) => old.has(shape)).map(([, route]) => route),
    conflicts: [...now].flatMap(([shape, route]) => {
      const owner = owners.get(shape)?.findLast((name) => name !== after?.name)
      return owner === undefined ? [] : [{ route, owner }]
    }),
  }
}

/** Routes by what they match: parameters' names make no difference. */
function shapesOf(manifest: Manifest | null): Map<string, string> {
  const shapes = new Map<string, string>()
  for (const route of manifest?.routes ?? []) {
    const { method, host, path } = parseRoute(route)
    shapes.set(`${method} ${host ?? ''}${path.replaceAll(/:[^/]+/g, ':')}`, route)
  }
  return shapes
}
