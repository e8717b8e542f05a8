// `callgate undeploy <name…> [--version v1]`: take functions out of the registry, or one version of them.

import { Command } from 'commander'
import { natsSettings, readConfig } from '../../shared/config.js'
import { sharesOf, weightOf } from '../../shared/deployment.js'
import type { Registry } from '../../shared/registry.js'
import type { RegistryDraft } from '../../shared/registry-draft.js'
import { routeChanges } from '../../shared/route-changes.js'
import { UserFailure } from '../failure.js'
import { printChanges } from '../print-changes.js'
import { addSettings } from '../settings-options.js'
import { checkedVersion, deploymentIn, printTraffic } from '../traffic-text.js'

export function undeployCommand(): Command {
  const command = new Command('undeploy')
    .description('take functions out of the registry; their routes are gone at once')
    .argument('<name...>', 'names of functions')
    .option('--version <version>', 'only this version, which must have no calls any more')
  return addSettings(command, 'NATS:', natsSettings).action(
    async (names: string[], { version, ...flags }: UndeployFlags) => {
      const config = readConfig(natsSettings, flags, process.env)
      const checked = version === undefined ? null : checkedVersion(version)
      const { withRegistry } = await import('../registry-session.js')
      await withRegistry(config, (registry) =>
        checked === null
          ? undeploy(registry, new Set(names))
          : undeployVersion(registry, new Set(names), checked),
      )
    },
  )
}

type UndeployFlags = { version?: string } & Record<string, unknown>

/** All or none. */
async function undeploy(registry: Registry, names: ReadonlySet<string>): Promise<void> {
  const before = await registry.edit((draft) => {
    const before = draft.deployments()
    checkThere(draft, names)
    for (const name of names) draft.delete(name)
    return before
  })
  // What no gateway can read has no routes, and must be got rid of all the same.
  for (const name of names) {
    printChanges(name, routeChanges(before.get(name)?.manifest ?? null, null, new Map()))
  }
}

/** All or none. */
async function undeployVersion(
  registry: Registry,
  names: ReadonlySet<string>,
  version: string,
): Promise<void> {
  const deployments = await registry.edit((draft) => {
    checkThere(draft, names)
    for (const name of names) {
      const outcome = draft.deleteVersion(name, version)
      if (outcome === 'absent') {
        throw new UserFailure(`${name} has no version ${version}: nothing was undeployed.`)
      }
      if (outcome === 'has calls') throw new UserFailure(callsOf(draft, name, version))
    }
    return draft.deployments()
  })
  for (const name of names) {
    const left = deployments.get(name)
    if (left !== undefined) printTraffic(left)
  }
}

function checkThere(draft: RegistryDraft, names: ReadonlySet<string>): void {
  for (const name of names) {
    if (draft.has(name)) continue
    throw new UserFailure(`There is no function ${name} in the registry: nothing was undeployed.`)
  }
}

function callsOf(draft: RegistryDraft, name: string, version: string): string {
  const deployment = deploymentIn(draft.deployments(), name)
  const share = weightOf(sharesOf(deployment), version)
  const other = [...deployment.versions.keys()].sort().find((other) => other !== version)
  return other === undefined
    ? `${version} is the only version of ${name}: nothing was undeployed. To take out the function: callgate undeploy ${name}.`
    : `${version} has ${share} % of the calls of ${name}: nothing was undeployed. Give them to another version first: callgate promote ${name} ${other}.`
}
