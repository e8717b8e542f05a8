// `callgate runner <file…>`: one runner process for each file, kept alive.

import { resolve } from 'node:path'
import { Command } from 'commander'
import { RunnerProcess, type RunnerProcessEvents } from '../../runner/fleet/runner-process.js'
import { RunnerSource } from '../../runner/fleet/runner-source.js'
import { logSettings, natsSettings, readConfig, runnerSettings } from '../../shared/config.js'
import { timerMs } from '../../shared/max-timer.js'
import { checkThere, UserFailure } from '../failure.js'
import { addSettings, toEnvironment } from '../settings-options.js'
import { toldToStop, unlessTold } from '../signals.js'

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
        const bus = await unlessTold(told, connectNats(config, 'callgate cli'))
        if (bus === null) return source.close()
        await bus.close()
      } catch (error) {
        source.close()
        throw error
      }
      const refusal = new Refusal()
      const runners = files.map(
        (file) =>
          new RunnerProcess({
            file,
            register: register !== false,
            source,
            retryFailedLoad: true,
            events: eventsOf(file, refusal),
          }),
      )
      for (const runner of runners) runner.start()
      const refused = await Promise.race([told, refusal.told])
      await Promise.all(runners.map((runner) => runner.stop()))
      if (refused !== undefined) throw refused
    },
  )
}

/** What no further attempt would mend: all of them end, as with a file that is not there. */
class Refusal {
  readonly told: Promise<UserFailure>
  tell!: (message: string) => void
  /** Functions by the files that were started first with their names. */
  readonly #files = new Map<string, string>()

  constructor() {
    this.told = new Promise((resolve) => {
      this.tell = (message) => resolve(new UserFailure(message))
    })
  }

  /** A file may be given more than once; what two of them register, each takes from the other. */
  onNamed(name: string, file: string): void {
    const other = this.#files.get(name)
    if (other === undefined) this.#files.set(name, file)
    else if (resolve(other) !== resolve(file)) {
      this.tell(`${other} and ${file} are both called ${name}: give one of them another \`name\`.`)
    }
  }
}

function eventsOf(file: string, refusal: Refusal): RunnerProcessEvents {
  return {
    onReady: () => {},
    onFailed: (message, retryInMs) => {
      const next = retryInMs === null ? '' : ` Trying again in ${retryInMs} ms.`
      process.stderr.write(`callgate: ${message}${next}\n`)
    },
    onNamed: (name) => refusal.onNamed(name, file),
    onRefused: (message) => refusal.tell(message),
  }
}
