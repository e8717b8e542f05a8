// `callgate traffic <function> [version=percent…]` and `promote`: how calls are shared out among the versions
// of a function. `traffic` shows or sets it, `promote` gives one version everything. Each is one write to
// the registry, so no call is refused meanwhile.

import { Command } from 'commander'
import { natsSettings } from '../../shared/config.js'
import type { Traffic } from '../../shared/deployment.js'
import { changeTraffic, inRegistry } from '../change-traffic.js'
import { UsageFailure } from '../failure.js'
import { addSettings } from '../settings-options.js'
import { checkHas, deploymentIn, percent, printTraffic } from '../traffic-text.js'

export function trafficCommand(): Command {
  const command = new Command('traffic')
    .description("show or set how a function's calls are shared out among its versions")
    .argument('<function>', 'name of the function')
    .argument('[version=percent...]', 'weights; a version that is not named gets no calls')
  return addSettings(command, 'NATS:', natsSettings).action(
    async (name: string, shares: string[], flags: Record<string, unknown>) => {
      const traffic = shares.length === 0 ? null : trafficOf(shares)
      await inRegistry(flags, async (registry) => {
        if (traffic === null) return printTraffic(deploymentIn(await registry.list(), name))
        await changeTraffic(registry, name, (deployment) => {
          for (const version of Object.keys(traffic)) checkHas(deployment, version)
          return traffic
        })
      })
    },
  )
}

export function promoteCommand(): Command {
  const command = new Command('promote')
    .description('give one version of a function all of its calls')
    .argument('<function>', 'name of the function')
    .argument('<version>', 'a version that is deployed')
  return addSettings(command, 'NATS:', natsSettings).action(
    (name: string, version: string, flags: Record<string, unknown>) =>
      inRegistry(flags, (registry) =>
        changeTraffic(registry, name, (deployment) => {
          checkHas(deployment, version)
          return { [version]: 100 }
        }),
      ),
  )
}

/** `main=90 v2=10` */
function trafficOf(shares: readonly string[]): Traffic {
  const entries = shares.map((text) => {
    const [, version, weight] = /^([^=]+)=(.*)$/.exec(text) ?? []
    if (version === undefined || weight === undefined) {
      throw new UsageFailure(`${JSON.stringify(text)}: write version=percent, like main=90 v2=10.`)
    }
    return [version, percent(weight, version)] as const
  })
  if (!entries.some(([, weight]) => weight > 0)) {
    throw new UsageFailure('At least one version must have a weight above 0.')
  }
  return Object.fromEntries(entries)
}
