// `callgate gateway`: one gateway against a NATS that is there already.

import { Command } from 'commander'
import { gatewaySettings, logSettings, natsSettings, readConfig } from '../../shared/config.js'
import { addSettings } from '../settings-options.js'
import { toldToStop, unlessTold } from '../signals.js'

export function gatewayCommand(): Command {
  const command = new Command('gateway').description('run a gateway against a NATS server')
  addSettings(command, 'Gateway:', gatewaySettings)
  addSettings(command, 'NATS:', natsSettings)
  return addSettings(command, 'Log:', logSettings).action(
    async (flags: Record<string, unknown>) => {
      const settings = { ...gatewaySettings, ...natsSettings, ...logSettings }
      const config = readConfig(settings, flags, process.env)
      const told = toldToStop()
      const { startGateway } = await import('../../gateway/main.js')
      const { createLog } = await import('../../shared/log.js')
      const starting = startGateway(config, createLog(config, {}, true))
      const gateway = await unlessTold(told, starting)
      if (gateway === null) return
      await told
      await gateway.close()
    },
  )
}
