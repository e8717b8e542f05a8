// `callgate deploy <file…> [--version v2 [--weight 10]]`: write functions to the registry, say what changes.

import { Command } from 'commander'
import { natsSettings, readConfig } from '../../shared/config.js'
import { type Deployment, type Traffic, withWeight } from '../../shared/deployment.js'
import { DEFAULT_VERSION, type Manifest, ManifestError } from '../../shared/manifest.js'
import type { Registry } from '../../shared/registry.js'
import { type RouteChanges, routeChanges, routeOwners } from '../../shared/route-changes.js'
import { checkThere, UserFailure } from '../failure.js'
import { printChanges } from '../print-changes.js'
import { addSettings } from '../settings-options.js'
import { checkedVersion, percent, printTraffic } from '../traffic-text.js'

export function deployCommand(): Command {
  const command = new Command('deploy')
    .description('write functions to the registry; their routes are live at once')
    .argument('<file...>', 'files that export a function')
    .option(
      '--version <version>',
      'beside the versions that are there; it has no calls until it has a weight (CALLGATE_VERSION)',
    )
    .option('--weight <percent>', 'of the calls for this version; the others share the rest')
  return addSettings(command, 'NATS:', natsSettings).action(
    async (files: string[], { version, weight, ...flags }: DeployFlags) => {
      const config = readConfig(natsSettings, flags, process.env)
      const release = releaseOf(version, weight)
      checkThere(files)
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

function releaseOf(version: string | undefined, weight: string | undefined): Release {
  const variable = process.env.CALLGATE_VERSION || DEFAULT_VERSION
  return {
    version:
      version === undefined
        ? checkedVersion(variable, 'CALLGATE_VERSION')
        : checkedVersion(version),
    weight: weight === undefined ? null : percent(weight),
  }
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
  const { changes, deployments } = await registry.edit((draft) => {
    const changes = changesBy(manifests, draft.deployments())
    for (const manifest of manifests) {
      draft.put(manifest, version)
      if (weight === null) continue
      const deployment = draft.deployment(manifest.name)!
      draft.setTraffic(manifest.name, weightsOf(deployment, version, weight))
    }
    return { changes, deployments: draft.deployments() }
  })
  for (const { name } of manifests) {
    const deployment = deployments.get(name)!
    if (deployment.versions.size === 1) printChanges(name, changes.get(name)!)
    else printTraffic(deployment)
  }
}

/** By function. Throws a UserFailure where one would take a route of another. */
function changesBy(
  manifests: readonly Manifest[],
  registered: ReadonlyMap<string, Deployment>,
): Map<string, RouteChanges> {
  const deployed = new Set(manifests.map(({ name }) => name))
  const leading = [...registered.values()].map(({ manifest }) => manifest)
  const owners = routeOwners([...leading.filter(({ name }) => !deployed.has(name)), ...manifests])
  const changes = new Map<string, RouteChanges>()
  for (const manifest of manifests) {
    const before = registered.get(manifest.name)?.manifest ?? null
    changes.set(manifest.name, routeChanges(before, manifest, owners))
  }
  const conflicts = [...changes].flatMap(([name, { conflicts }]) =>
    conflicts.map(({ route, owner }) => `${route} of ${name} belongs to ${owner}`),
  )
  if (conflicts.length === 0) return changes
  throw new UserFailure(
    `Nothing was deployed: ${conflicts.join('; ')}. Change the route, or undeploy its owner.`,
  )
}

function weightsOf(deployment: Deployment, version: string, weight: number): Traffic {
  const weights = withWeight(deployment, version, weight)
  if (weights !== null) return weights
  const { name } = deployment.manifest
  const others = [...deployment.versions.keys()].filter((other) => other !== version).sort()
  throw new UserFailure(
    `Nothing was deployed: ${version} has all calls of ${name}, and ${others.join(', ')} have none. Say which of them shall have the rest: callgate traffic ${name} ${version}=${weight} ${others[0]}=${100 - weight}.`,
  )
}
