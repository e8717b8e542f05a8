// `callgate deploy <file…>` and `callgate undeploy <name>`: write the registry, say what changes.

import { Command } from 'commander'
import { describeFunction } from '../../runner/describe-function.js'
import { loadFunction } from '../../runner/load-function.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import type { Manifest } from '../../shared/manifest.js'
import type { Registry } from '../../shared/registry.js'
import { UserFailure } from '../failure.js'
import { withRegistry } from '../registry-session.js'
import { type RouteChanges, routeChanges } from '../route-changes.js'
import { addSettings } from '../settings-options.js'

export function deployCommand(): Command {
  const command = new Command('deploy')
    .description('write functions to the registry; their routes are live at once')
    .argument('<file...>', 'files that export a function')
  return addSettings(command, natsSettings).action(
    async (files: string[], flags: Record<string, unknown>) => {
      const config = readConfig(natsSettings, flags, process.env)
      const manifests: Manifest[] = []
      for (const file of files) {
        const { definition, defaultName } = await loadFunction(file)
        manifests.push(describeFunction(definition, defaultName))
      }
      await withRegistry(config, (registry) => deploy(registry, manifests))
      // What the files started when they were imported must not keep us.
      process.exit(0)
    },
  )
}

export function undeployCommand(): Command {
  const command = new Command('undeploy')
    .description('take a function out of the registry; its routes are gone at once')
    .argument('<name>', 'name of the function')
  return addSettings(command, natsSettings).action(
    async (name: string, flags: Record<string, unknown>) => {
      const config = readConfig(natsSettings, flags, process.env)
      await withRegistry(config, async (registry) => {
        const before = await registry.get(name)
        if (before === null) throw new UserFailure(`There is no function ${name} in the registry.`)
        await registry.delete(name)
        printChanges(name, routeChanges(before, null, []))
      })
    },
  )
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

function printChanges(name: string, { added, removed, kept }: RouteChanges): void {
  process.stdout.write(`${name}\n`)
  for (const route of added) process.stdout.write(`  + ${route}\n`)
  for (const route of removed) process.stdout.write(`  - ${route}\n`)
  for (const route of kept) process.stdout.write(`    ${route}\n`)
}
