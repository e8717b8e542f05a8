// Keeps a runner's function in the registry: put there at the start, and again where the registry is another
// one than then: a NATS server has come back without its store, or with an earlier one, or somebody has deleted
// the bucket.

import type { Logger } from 'pino'
import type { RunnerConfig } from '../shared/config.js'
import type { Deployment } from '../shared/deployment.js'
import type { Manifest } from '../shared/manifest.js'
import type { NatsBus } from '../shared/nats.js'
import { Registry } from '../shared/registry.js'
import type { RegistryState } from '../shared/registry-guard.js'
import { routeChanges, routeOwners } from '../shared/route-changes.js'
import { subjectsIn } from '../shared/subjects.js'

/** There may be a thousand runners, and only a deletion by hand is not noticed sooner. */
const GUARD_MS = 60_000

/** The function wants a route that another one has: nothing was registered. */
export class RouteTaken extends Error {
  override readonly name = 'RouteTaken'
  readonly owners: readonly string[]

  constructor(message: string, owners: readonly string[]) {
    super(message)
    this.owners = owners
  }
}

export interface RegistrationOptions {
  readonly bus: NatsBus
  readonly config: RunnerConfig
  readonly manifest: Manifest
  readonly log: Logger
  /** The function in whose place this one comes, and whose routes it may have. */
  readonly replaces: string | null
  /** The registry that the function was put into before, and is not put into again. */
  readonly known?: RegistryState | undefined
  /** Told of the registry that it is in now. */
  readonly onRegistered?: ((registry: RegistryState) => void) | undefined
}

/** Resolves when the function is registered. Throws a RegistryUnavailable or RouteTaken. */
export async function keepRegistered(options: RegistrationOptions): Promise<void> {
  const { bus, config, manifest, replaces, log, known, onRegistered } = options
  const registry = await Registry.open(bus, subjectsIn(config.namespace), {
    replicas: config.registryReplicas,
  })
  const { version } = config
  const tell = (isNew: boolean) => {
    if (isNew) log.info({ routes: manifest.routes }, 'function registered')
  }
  const check = (registered: ReadonlyMap<string, Deployment>) =>
    checkRoutes(manifest, version, registered, replaces)
  if (known === undefined) tell(await registry.put(manifest, version, check))
  // It ends with the connection.
  await registry.guard({
    // What was there before its store was lost comes back as it was.
    onReplaced: async (isNew) => {
      tell(await (isNew ? registry.putBack(manifest, version) : registry.put(manifest, version)))
    },
    everyMs: GUARD_MS,
    log,
    known,
    onKnown: onRegistered,
  })
}

/** As `callgate deploy` does; but what this function has already is not taken by its next runner. */
function checkRoutes(
  manifest: Manifest,
  version: string,
  registered: ReadonlyMap<string, Deployment>,
  replaces: string | null,
): void {
  const { name } = manifest
  const own = registered.get(name)
  const before = own?.versions.get(version) ?? own?.manifest ?? null
  const leading = [...registered.values()].map(({ manifest }) => manifest)
  const owners = routeOwners(leading.filter((other) => other.name !== replaces))
  const { added, conflicts } = routeChanges(before, manifest, owners)
  const taken = conflicts.filter(({ route }) => added.includes(route))
  if (taken.length === 0) return
  const routes = taken.map(({ route, owner }) => `${route} belongs to ${owner}`).join('; ')
  throw new RouteTaken(
    `${name} cannot be registered: ${routes}. Give one of them another route, or undeploy its owner.`,
    taken.map(({ owner }) => owner),
  )
}
