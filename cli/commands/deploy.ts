// `callgate deploy <file…> [--version v2 [--weight 10]]`: write functions to the registry, say what changes.

import { Command } from 'commander'
import { natsSettings, readConfig } from '../../shared/config.js'
import { withWeight } from '../../shared/deployment.js'
import { DEFAULT_VERSION, type Manifest, ManifestError } from '../../shared/manifest.js'
import type { Registry } from '../../shared/registry.js'
import { UserFailure } from '../failure.js'
import { printChanges, routeChanges, routeOwners } from '../route-changes.js'
import { addSettings } from '../settings-options.js'
import { checkedVersion, percent, printTraffic } from '../traffic-text.js'

export function deployCommand(): Command {
  const command = new Command('deploy')
    .description('write functions to the registry; their routes are live at once')
    .argument('<file...>', 'files that export a function')
    .option(
      '--version <version>',
      'beside the versions that are there; it has no calls until it has a weight',
    )
    .option('--weight <percent>', 'of the calls for this version; the others share the rest')
  return addSettings(command, 'NATS:', natsSettings).action(
    async (files: string[], { version, weight, ...flags }: DeployFlags) => {
      const config = readConfig(natsSettings, flags, process.env)
      const release = releaseOf(version, weight)
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
      await withRegistry(config, (registry) => deploy(registry, [...manifests.values()], release))
    },
  )
}

type DeployFlags = { version?: string; weight?: string } & Record<string, unknown>

interface Release {
  readonly version: string
  /** Percent; null: the weights stay as they are. */
  readonly weight: number | null
}

function releaseOf(version = DEFAULT_VERSION, weight: string | undefined): Release {
  return { version: checkedVersion(version), weight: weight === undefined ? null : percent(weight) }
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
async function deploy(
  registry: Registry,
  manifests: readonly Manifest[],
  { version, weight }: Release,
): Promise<void> {
  const registered = await registry.list()
  const deployed = new Set(manifests.map(({ name }) => name))
  const leading = [...registered.values()].map(({ manifest }) => manifest)
  const owners = routeOwners([...leading.filter(({ name }) => !deployed.has(name)), ...manifests])
  const plans = manifests.map((manifest) => {
    const before = registered.get(manifest.name) ?? null
    const leads = before === null || (before.versions.size === 1 && before.versions.has(version))
    return { manifest, leads, changes: routeChanges(before?.manifest ?? null, manifest, owners) }
  })
  const conflicts = plans.flatMap(({ manifest, changes }) =>
    changes.conflicts.map(({ route, owner }) => `${route} of ${manifest.name} belongs to ${owner}`),
  )
  if (conflicts.length > 0) {
    throw new UserFailure(
      `Nothing was deployed: ${conflicts.join('; ')}. Change the route, or undeploy its owner.`,
    )
  }
  for (const { manifest, leads, changes } of plans) {
    const { name } = manifest
    await registry.put(manifest, version)
    if (weight !== null) {
      await registry.setTraffic(name, withWeight(await registry.traffic(name), version, weight))
    }
    if (leads) printChanges(name, changes)
    else await printTraffic(registry, name)
  }
}
