// `callgate runner <file…>`: one runner process for each file, kept alive.

import { Command } from 'commander'
import { RunnerProcess } from '../../runner/fleet/runner-process.js'
import { logSettings, natsSettings, readConfig, runnerSettings } from '../../shared/config.js'
import { addSettings, toEnvironment } from '../settings-options.js'
import { toldToStop } from '../signals.js'

export function runnerCommand(): Command {
  const settings = { ...runnerSettings, ...natsSettings, ...logSettings }
  const command = new Command('runner')
    .description('run functions, one process each, and register them')
    .argument('<file...>', 'files that export a function')
    .option('--no-register', 'leave the function registry as it is')
  return addSettings(command, settings).action(
    async (files: string[], flags: Record<string, unknown>) => {
      const { register, ...settingFlags } = flags
      const config = readConfig(settings, settingFlags, process.env)
      const environment = { ...process.env, ...toEnvironment(config) }
      const runners = files.map(
        (file) =>
          new RunnerProcess({
            file,
            register: register !== false,
            environment,
            killAfterMs: config.drainMs + config.cancelGraceMs + 1_000,
            retryFailedLoad: true,
            events: {
              onReady: () => {},
              onFailed: (message, retryInMs) => {
                const next = retryInMs === null ? '' : ` Trying again in ${retryInMs} ms.`
                process.stderr.write(`callgate: ${message}${next}\n`)
              },
            },
          }),
      )
      for (const runner of runners) runner.start()
      await toldToStop()
      await Promise.all(runners.map((runner) => runner.stop()))
    },
  )
}
