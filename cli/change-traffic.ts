// Commands that set the weights of a function: a connection, one change of the registry, what it is then.

import { natsSettings, readConfig } from '../shared/config.js'
import type { Deployment, Traffic } from '../shared/deployment.js'
import type { Registry } from '../shared/registry.js'
import { deploymentIn, printTraffic } from './traffic-text.js'

/** Connects as the flags say, lets `work` work, and disconnects. */
export async function inRegistry(
  flags: Record<string, unknown>,
  work: (registry: Registry) => Promise<void>,
): Promise<void> {
  const config = readConfig(natsSettings, flags, process.env)
  const { withRegistry } = await import('./registry-session.js')
  await withRegistry(config, work)
}

/**
 * Sets the weights that `decide` wants, and prints the shares. What `decide` throws leaves all as it was.
 * @param decide called again when another change comes first
 */
export async function changeTraffic(
  registry: Registry,
  name: string,
  decide: (deployment: Deployment) => Traffic | Promise<Traffic>,
  { isRollback = false }: { isRollback?: boolean } = {},
): Promise<void> {
  const deployments = await registry.edit(async (draft) => {
    draft.setTraffic(name, await decide(deploymentIn(draft.deployments(), name)), isRollback)
    return draft.deployments()
  })
  printTraffic(deploymentIn(deployments, name))
}
