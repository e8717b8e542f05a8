// `callgate undeploy <name…>`: take functions out of the registry, with all of their versions.

import { Command } from 'commander'
import { natsSettings, readConfig } from '../../shared/config.js'
import type { Registry } from '../../shared/registry.js'
import { UserFailure } from '../failure.js'
import { printChanges, routeChanges } from '../route-changes.js'
import { addSettings } from '../settings-options.js'

export function undeployCommand(): Command {
  const command = new Command('undeploy')
    .description('take functions out of the registry; their routes are gone at once')
    .argument('<name...>', 'names of functions')
  return addSettings(command, 'NATS:', natsSettings).action(
    async (names: string[], flags: Record<string, unknown>) => {
      const config = readConfig(natsSettings, flags, process.env)
      const { withRegistry } = await import('../registry-session.js')
      await withRegistry(config, (registry) => undeploy(registry, names))
    },
  )
}

/** All or none. */
async function undeploy(registry: Registry, names: readonly string[]): Promise<void> {
  const before = await registry.edit((draft) => {
    const before = draft.deployments()
    const unknown = names.find((name) => !draft.has(name))
    if (unknown !== undefined) {
      throw new UserFailure(
        `There is no function ${unknown} in the registry: nothing was undeployed.`,
      )
    }
    for (const name of names) draft.delete(name)
    return before
  })
  // What no gateway can read has no routes, and must be got rid of all the same.
  for (const name of new Set(names)) {
    printChanges(name, routeChanges(before.get(name)?.manifest ?? null, null, new Map()))
  }
}
