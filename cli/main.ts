#!/usr/bin/env node
// The `callgate` command: wiring only. Each subcommand is a file in commands/, which imports what it is made
// of when it is run: `--help` need not wait for a gateway.

import { Command, CommanderError } from 'commander'
import { VERSION } from '../shared/version.js'
import { callCommand } from './commands/call.js'
import { deployCommand } from './commands/deploy.js'
import { devCommand } from './commands/dev.js'
import { gatewayCommand } from './commands/gateway.js'
import { rollbackCommand } from './commands/rollback.js'
import { runnerCommand } from './commands/runner.js'
import { tokenCommand } from './commands/token.js'
import { promoteCommand, trafficCommand } from './commands/traffic.js'
import { undeployCommand } from './commands/undeploy.js'
import { EXIT_USAGE, reportFailure } from './failure.js'

const program = new Command('callgate')
  .description('Web requests become function calls on GPUs you own.')
  .version(VERSION)
  // `--version` behind a command is that command's own.
  .enablePositionalOptions()
  .addHelpText(
    'after',
    `
An option whose help names an environment variable can be set by that, too: --nats-url by
CALLGATE_NATS_URL. The option wins. Exit status: 0 done, 1 failed, 2 the command line or the
configuration is wrong.`,
  )
  .addCommand(devCommand())
  .addCommand(gatewayCommand())
  .addCommand(runnerCommand())
  .addCommand(deployCommand())
  .addCommand(undeployCommand())
  .addCommand(trafficCommand())
  .addCommand(promoteCommand())
  .addCommand(rollbackCommand())
  .addCommand(callCommand())
  .addCommand(tokenCommand())
for (const command of [program, ...program.commands]) command.exitOverride()

// Whoever read our output has gone (`callgate call … | head -1`): end as a signal would end us.
process.stdout.once('error', () => process.kill(process.pid, 'SIGTERM'))

try {
  await program.parseAsync()
  // Sockets and timers are closed by now; anything that still holds the process open is not ours.
  process.exit()
} catch (error) {
  // Commander has printed its own message already: 0 is --help, anything else a wrong command line.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE)
  process.exit(reportFailure(error))
}
