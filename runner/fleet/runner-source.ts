// Where runner processes come from: each is started when it is asked for, or taken from one that stands by
// with everything loaded but the function. Owns the one that stands by.

import type { ChildProcess } from 'node:child_process'
import { type Language, languageOf } from './language.js'
import type { StartOrder } from './runner-message.js'
import { spawnRunner } from './spawn-runner.js'

export interface RunnerSourceOptions {
  readonly environment: NodeJS.ProcessEnv
  /** How long a runner may take to drain before it is killed, in milliseconds. */
  readonly killAfterMs: number
}

export class RunnerSource {
  readonly options: RunnerSourceOptions
  #standby: { readonly child: ChildProcess; readonly language: Language } | null = null
  readonly #onStandbyEnded = () => {
    this.#standby = null
  }

  constructor(options: RunnerSourceOptions) {
    this.options = options
  }

  /** A process that loads and runs the function of this file. */
  take(order: StartOrder): ChildProcess {
    const { file, ...rest } = order
    const standby = this.#takeStandby(languageOf(file))
    if (standby !== null) {
      standby.off('exit', this.#onStandbyEnded).off('error', this.#onStandbyEnded)
      standby.send(order)
      return standby
    }
    const args = [file, JSON.stringify(rest)]
    return spawnRunner({ ...this.options, program: 'main.js', arguments: args })
  }

  /**
   * Starts a process that stands by, unless there is one. Costs memory, so only for who asks.
   * @param file one like those that will be asked for
   */
  prepare(file: string): void {
    if (this.#standby !== null) return
    const language = languageOf(file)
    const child = spawnRunner({ ...this.options, program: 'standby.js', arguments: [language] })
    child.on('exit', this.#onStandbyEnded).on('error', this.#onStandbyEnded)
    this.#standby = { child, language }
  }

  /** One that has the compiler would import for JavaScript what its next start could not. */
  #takeStandby(language: Language): ChildProcess | null {
    if (this.#standby === null) return null
    const { child, language: prepared } = this.#standby
    if (prepared === 'typescript' && language === 'javascript') return null
    this.#standby = null
    return child.connected ? child : null
  }

  /** Ends the process that stands by. */
  close(): void {
    this.#standby?.child.kill('SIGKILL')
  }
}
