#!/usr/bin/env node
// The `callgate` command: wiring only. Each subcommand is a file in commands/.

import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { callCommand } from './commands/call.js'
import { deployCommand, undeployCommand } from './commands/deploy.js'
import { devCommand } from './commands/dev.js'
import { gatewayCommand } from './commands/gateway.js'
import { runnerCommand } from './commands/runner.js'
import { tokenCommand } from './commands/token.js'
import { reportFailure } from './failure.js'

const { version } = createRequire(import.meta.url)('callgate/package.json') as { version: string }

const program = new Command('callgate')
  .description('Web requests become function calls on GPUs you own.')
  .version(version)
  .addCommand(devCommand())
  .addCommand(gatewayCommand())
  .addCommand(runnerCommand())
  .addCommand(deployCommand())
  .addCommand(undeployCommand())
  .addCommand(tokenCommand())
  .addCommand(callCommand())
for (const command of [program, ...program.commands]) command.exitOverride()

try {
  await program.parseAsync()
  // Sockets and timers are closed by now; anything that still holds the process open is not ours.
  process.exit()
} catch (error) {
  // Commander has printed its own message already: 0 is --help, anything else a wrong command line.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2)
  process.exit(reportFailure(error))
}
