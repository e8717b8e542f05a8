// `callgate deploy <file…>`: write functions to the registry, say what changes.

import { Command } from 'commander'
import { natsSettings, readConfig } from '../../shared/config.js'
import { type Manifest, ManifestError } from '../../shared/manifest.js'
import type { Registry } from '../../shared/registry.js'
import { UserFailure } from '../failure.js'
import { printChanges, routeChanges } from '../route-changes.js'
import { addSettings } from '../settings-options.js'

export function deployCommand(): Command {
  const command = new Command('deploy')
    .description('write functions to the registry; their routes are live at once')
    .argument('<file...>', 'files that export a function')
  return addSettings(command, 'NATS:', natsSettings).action(
    async (files: string[], flags: Record<string, unknown>) => {
      const config = readConfig(natsSettings, flags, process.env)
      const manifests = new Map<string, Manifest>()
      for (const file of files) {
        const manifest = await manifestOf(file)
        if (manifests.has(manifest.name)) {
          throw new UserFailure(
            `Two of the files are called ${manifest.name}: nothing was deployed.`,
          )
        }
        manifests.set(manifest.name, manifest)
      }
      const { withRegistry } = await import('../registry-session.js')
      await withRegistry(config, (registry) => deploy(registry, [...manifests.values()]))
    },
  )
}

async function manifestOf(file: string): Promise<Manifest> {
  const { loadFunction } = await import('../../runner/load-function.js')
  const { describeFunction } = await import('../../runner/describe-function.js')
  const { definition, defaultName } = await loadFunction(file)
  try {
    return describeFunction(definition, defaultName)
  } catch (error) {
    // Also of a route that cannot be read: every one of them is a sentence.
    throw new ManifestError(`${file}: ${(error as Error).message}`, { cause: error })
  }
}

/** All or none: a conflict of one function leaves the registry as it was. */
async function deploy(registry: Registry, manifests: readonly Manifest[]): Promise<void> {
  const registered = await registry.list()
  const plans = manifests.map((manifest) => {
    const before = registered.find(({ name }) => name === manifest.name) ?? null
    const others = [
      ...registered.filter(({ name }) => !manifests.some((own) => own.name === name)),
      ...manifests,
    ].filter(({ name }) => name !== manifest.name)
    return { manifest, changes: routeChanges(before, manifest, others) }
  })
  const conflicts = plans.flatMap(({ manifest, changes }) =>
    changes.conflicts.map(({ route, owner }) => `${route} of ${manifest.name} belongs to ${owner}`),
  )
  if (conflicts.length > 0) {
    throw new UserFailure(
      `Nothing was deployed: ${conflicts.join('; ')}. Change the route, or undeploy its owner.`,
    )
  }
  for (const { manifest, changes } of plans) {
    await registry.put(manifest)
    printChanges(manifest.name, changes)
  }
}
