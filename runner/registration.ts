// Keeps a runner's function in the registry: put there at the start, and again where the registry is another
// one than then: a NATS server has come back without its store, or somebody has deleted the bucket.

import type { Logger } from 'pino'
import type { RunnerConfig } from '../shared/config.js'
import type { Manifest } from '../shared/manifest.js'
import type { NatsBus } from '../shared/nats.js'
import { Registry } from '../shared/registry.js'
import { subjectsIn } from '../shared/subjects.js'

/** There may be a thousand runners, and only a deletion by hand is not noticed sooner. */
const GUARD_MS = 60_000

/** Resolves when the function is registered. Throws a RegistryUnavailable. */
export async function keepRegistered(
  bus: NatsBus,
  config: RunnerConfig,
  manifest: Manifest,
  log: Logger,
): Promise<void> {
  const registry = await Registry.open(bus, subjectsIn(config.namespace), {
    replicas: config.registryReplicas,
  })
  const register = async () => {
    if (await registry.put(manifest, config.version))
      log.info({ routes: manifest.routes }, 'function registered')
  }
  await register()
  // It ends with the connection.
  await registry.guard(register, GUARD_MS, log)
}
