// Where runner processes come from: each is started when it is asked for, or taken from one that stands by
// with everything loaded but the function. Owns the one that stands by.

import type { ChildProcess } from 'node:child_process'
import type { StandbyMessage } from './runner-message.js'
import { spawnRunner } from './spawn-runner.js'

export interface RunnerSourceOptions {
  readonly environment: NodeJS.ProcessEnv
  /** How long a runner may take to drain before it is killed, in milliseconds. */
  readonly killAfterMs: number
}

export class RunnerSource {
  readonly options: RunnerSourceOptions
  #standby: ChildProcess | null = null
  readonly #onStandbyEnded = () => {
    this.#standby = null
  }

  constructor(options: RunnerSourceOptions) {
    this.options = options
  }

  /** A process that loads and runs the function of this file. */
  take(file: string, register: boolean): ChildProcess {
    const standby = this.#standby
    this.#standby = null
    if (standby?.connected) {
      standby.off('exit', this.#onStandbyEnded).off('error', this.#onStandbyEnded)
      standby.send({ file, register } satisfies StandbyMessage)
      return standby
    }
    const args = register ? [file] : [file, '--no-register']
    return spawnRunner({ ...this.options, program: 'main.js', arguments: args })
  }

  /** Starts a process that stands by, unless there is one. Costs memory, so only for who asks. */
  prepare(): void {
    if (this.#standby !== null) return
    this.#standby = spawnRunner({ ...this.options, program: 'standby.js', arguments: [] })
    this.#standby.on('exit', this.#onStandbyEnded).on('error', this.#onStandbyEnded)
  }

  /** Ends the process that stands by. */
  close(): void {
    this.#standby?.kill('SIGKILL')
  }
}
