// How calls are shared out among the versions of a function: `callgate traffic <function> [version=percent…]`
// shows or sets it, `promote` gives one version everything, `rollback` takes the last change back. Each is
// one write to the registry, so no call is refused meanwhile.

import { Command } from 'commander'
import { natsSettings, readConfig } from '../../shared/config.js'
import type { Traffic } from '../../shared/deployment.js'
import type { Registry } from '../../shared/registry.js'
import { UserFailure } from '../failure.js'
import { addSettings } from '../settings-options.js'
import { checkHas, deploymentIn, percent, printTraffic } from '../traffic-text.js'

export function trafficCommand(): Command {
  const command = new Command('traffic')
    .description("show or set how a function's calls are shared out among its versions")
    .argument('<function>', 'name of the function')
    .argument('[version=percent...]', 'weights; a version that is not named gets no calls')
  return addSettings(command, 'NATS:', natsSettings).action(
    (name: string, shares: string[], flags: Record<string, unknown>) =>
      inRegistry(flags, async (registry) => {
        const deployment = await deploymentIn(registry, name)
        if (shares.length > 0) {
          const traffic = trafficOf(shares)
          for (const version of Object.keys(traffic)) checkHas(deployment, version)
          await registry.setTraffic(name, traffic)
        }
        await printTraffic(registry, name)
      }),
  )
}

export function promoteCommand(): Command {
  const command = new Command('promote')
    .description('give one version of a function all of its calls')
    .argument('<function>', 'name of the function')
    .argument('<version>', 'a version that is deployed')
  return addSettings(command, 'NATS:', natsSettings).action(
    (name: string, version: string, flags: Record<string, unknown>) =>
      inRegistry(flags, async (registry) => {
        checkHas(await deploymentIn(registry, name), version)
        await registry.setTraffic(name, { [version]: 100 })
        await printTraffic(registry, name)
      }),
  )
}

export function rollbackCommand(): Command {
  const command = new Command('rollback')
    .description("take back the last change of a function's weights")
    .argument('<function>', 'name of the function')
  return addSettings(command, 'NATS:', natsSettings).action(
    (name: string, flags: Record<string, unknown>) =>
      inRegistry(flags, async (registry) => {
        const deployment = await deploymentIn(registry, name)
        const before = await registry.previousTraffic(name)
        if (before === null) {
          throw new UserFailure(
            `The weights of ${name} have not been changed: nothing to take back.`,
          )
        }
        if (!Object.keys(before).some((version) => deployment.versions.has(version))) {
          throw new UserFailure(
            `The versions that had the calls of ${name} before (${Object.keys(before).join(', ')}) are not deployed any more.`,
          )
        }
        await registry.setTraffic(name, before)
        await printTraffic(registry, name)
      }),
  )
}

async function inRegistry(
  flags: Record<string, unknown>,
  work: (registry: Registry) => Promise<void>,
): Promise<void> {
  const config = readConfig(natsSettings, flags, process.env)
  const { withRegistry } = await import('../registry-session.js')
  await withRegistry(config, work)
}

/** `main=90 v2=10` */
function trafficOf(shares: readonly string[]): Traffic {
  const entries = shares.map((text) => {
    const [, version, weight] = /^([^=]+)=(.*)$/.exec(text) ?? []
    if (version === undefined || weight === undefined) {
      throw new UserFailure(`${JSON.stringify(text)}: write version=percent, like main=90 v2=10.`)
    }
    return [version, percent(weight, version)] as const
  })
  if (!entries.some(([, weight]) => weight > 0)) {
    throw new UserFailure('At least one version must have a weight above 0.')
  }
  return Object.fromEntries(entries)
}
