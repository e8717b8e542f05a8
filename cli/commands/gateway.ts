// `callgate gateway`: one gateway against a NATS that is there already.

import { Command } from 'commander'
import { startGateway } from '../../gateway/main.js'
import { gatewaySettings, logSettings, natsSettings, readConfig } from '../../shared/config.js'
import { createLog } from '../../shared/log.js'
import { addSettings } from '../settings-options.js'
import { toldToStop } from '../signals.js'

export function gatewayCommand(): Command {
  const settings = { ...gatewaySettings, ...natsSettings, ...logSettings }
  const command = new Command('gateway').description('run a gateway against a NATS server')
  return addSettings(command, settings).action(async (flags: Record<string, unknown>) => {
    const config = readConfig(settings, flags, process.env)
    const gateway = await startGateway(config, createLog(config))
    await toldToStop()
    await gateway.close()
  })
}
