// `callgate runner <file…>`: one runner process for each file, kept alive.

import { Command } from 'commander'
import { RunnerProcess } from '../../runner/fleet/runner-process.js'
import { RunnerSource } from '../../runner/fleet/runner-source.js'
import { logSettings, natsSettings, readConfig, runnerSettings } from '../../shared/config.js'
import { timerMs } from '../../shared/max-timer.js'
import { checkThere } from '../failure.js'
import { addSettings, toEnvironment } from '../settings-options.js'
import { toldToStop } from '../signals.js'

export function runnerCommand(): Command {
  const command = new Command('runner')
    .description('run functions, one process each, and register them')
    .argument('<file...>', 'files that export a function')
    .option('--no-register', 'leave the function registry as it is')
  addSettings(command, 'Runners:', runnerSettings)
  addSettings(command, 'NATS:', natsSettings)
  return addSettings(command, 'Log:', logSettings).action(
    async (files: string[], { register, ...flags }: Record<string, unknown>) => {
      const settings = { ...runnerSettings, ...natsSettings, ...logSettings }
      const config = readConfig(settings, flags, process.env)
      checkThere(files)
      const told = toldToStop()
      const source = new RunnerSource({
        environment: { ...process.env, ...toEnvironment(config) },
        killAfterMs: timerMs(config.drainMs, config.cancelGraceMs, 1_000),
      })
      // Most of a start needs no NATS: the first runner begins with it.
      source.prepare(files[0]!)
      // What is wrong at the start is wrong for good, more likely than not: better to say so and end
      // than to try for ever. Later, a NATS that is gone is waited for.
      const { connectNats } = await import('../../shared/nats.js')
      try {
        await (await connectNats(config, 'callgate cli')).close()
      } catch (error) {
        source.close()
        throw error
      }
      const runners = files.map((file) => runnerOf(file, source, register !== false))
      for (const runner of runners) runner.start()
      await told
      await Promise.all(runners.map((runner) => runner.stop()))
    },
  )
}

function runnerOf(file: string, source: RunnerSource, register: boolean): RunnerProcess {
  return new RunnerProcess({
    file,
    register,
    source,
    retryFailedLoad: true,
    events: {
      onReady: () => {},
      onFailed: (message, retryInMs) => {
        const next = retryInMs === null ? '' : ` Trying again in ${retryInMs} ms.`
        process.stderr.write(`callgate: ${message}${next}\n`)
      },
    },
  })
}
