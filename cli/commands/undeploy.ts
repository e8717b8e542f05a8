// `callgate undeploy <name…>`: take functions out of the registry, say which routes go.

import { Command } from 'commander'
import { natsSettings, readConfig } from '../../shared/config.js'
import { FUNCTION_NAME, type Manifest, ManifestError } from '../../shared/manifest.js'
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
  const found = new Map<string, Manifest | 'unreadable'>()
  for (const name of names) {
    const manifest = FUNCTION_NAME.test(name) ? await entryOf(registry, name) : null
    if (manifest === null) {
      throw new UserFailure(`There is no function ${name} in the registry: nothing was undeployed.`)
    }
    found.set(name, manifest)
  }
  for (const [name, manifest] of found) {
    await registry.delete(name)
    printChanges(name, routeChanges(manifest === 'unreadable' ? null : manifest, null, new Map()))
  }
}

/** An entry that no gateway can read has no routes, and must be got rid of all the same. */
async function entryOf(registry: Registry, name: string): Promise<Manifest | 'unreadable' | null> {
  try {
    return await registry.get(name)
  } catch (error) {
    if (error instanceof ManifestError) return 'unreadable'
    throw error
  }
}
