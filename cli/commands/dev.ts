// `callgate dev [path…]`: everything on one machine, following what is saved.

import { Command } from 'commander'
import { devSettings } from '../dev/dev-settings.js'
import { addSettings } from '../settings-options.js'

export function devCommand(): Command {
  const command = new Command('dev')
    .description('run nats-server, gateway and functions on this machine, and follow changes')
    .argument('[path...]', 'function files, and folders of them', ['.'])
  addSettings(command, 'Gateway:', devSettings.gateway)
  addSettings(command, 'Runners:', devSettings.runner)
  addSettings(command, 'NATS:', devSettings.nats)
  addSettings(command, 'Log:', devSettings.log)
  return addSettings(command, 'State:', devSettings.state).action(
    async (paths: string[], flags: Record<string, unknown>) => {
      const { dev } = await import('../dev/main.js')
      await dev(paths, flags)
    },
  )
}
