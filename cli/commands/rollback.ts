// `callgate rollback <function>`: take the last change of the weights back. A second one in a row does not
// bring them again: whoever runs it twice, or whose script does, wants to get away from them all the more.

import { Command } from 'commander'
import { natsSettings } from '../../shared/config.js'
import {
  type Deployment,
  sameTraffic,
  type Traffic,
  type TrafficSetting,
} from '../../shared/deployment.js'
import { changeTraffic, inRegistry } from '../change-traffic.js'
import { UserFailure } from '../failure.js'
import { addSettings } from '../settings-options.js'
import { weightsText } from '../traffic-text.js'

export function rollbackCommand(): Command {
  const command = new Command('rollback')
    .description("take back the last change of a function's weights, once")
    .argument('<function>', 'name of the function')
  return addSettings(command, 'NATS:', natsSettings).action(
    (name: string, flags: Record<string, unknown>) =>
      inRegistry(flags, (registry) =>
        changeTraffic(
          registry,
          name,
          async (deployment) => weightsBefore(deployment, await registry.trafficHistory(name)),
          { isRollback: true },
        ),
      ),
  )
}

/** @param history the weights as they were set, the latest last */
function weightsBefore(deployment: Deployment, history: readonly TrafficSetting[]): Traffic {
  const { name } = deployment.manifest
  const weights = history.map(({ traffic }) => traffic).toReversed()
  const [now, before] = weights
  if (now === undefined || before === undefined) {
    throw new UserFailure(`The weights of ${name} have not been changed: nothing to take back.`)
  }
  // Not by what they are: whoever has promoted v2, main and v2 again has never taken anything back.
  if (history.at(-1)!.isRollback) {
    const others = weights.filter((traffic) => !sameTraffic(traffic, now))
    const known = [...new Set(others.map(weightsText))].join('; ')
    throw new UserFailure(
      `${name} has the weights from before its last change already (${weightsText(now)}); nothing was changed. To have others, say which: callgate traffic ${name} version=percent. Its latest were ${known}.`,
    )
  }
  const gone = Object.keys(before).filter(
    (version) => before[version]! > 0 && !deployment.versions.has(version),
  )
  if (gone.length > 0) {
    throw new UserFailure(
      `${name} had ${weightsText(before)} before, of which ${gone.join(', ')} cannot have calls: not deployed any more. Nothing was changed.`,
    )
  }
  return before
}
