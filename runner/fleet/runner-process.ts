// Keeps one runner process alive: starts it, starts it again when it dies, stops it when told. Owns the
// child process and the timer of the next attempt.
//
//   starting ──▶ ready ──▶ stopping ──▶ stopped
//      ▲           │
//      └── waiting ┘   (it died: again after a pause that doubles up to ten seconds)

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { RunnerMessage } from './runner-message.js'

const RUNNER_MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000
/** A runner that lived so long has not failed at its start: the next pause is short again. */
const HEALTHY_AFTER_MS = 10_000

export interface RunnerProcessEvents {
  onReady(runner: { name: string; routes: readonly string[]; runnerId: string }): void
  /** It could not start, or died: one sentence. `retryInMs` is null when it is not tried again by itself. */
  onFailed(message: string, retryInMs: number | null): void
  onImported?(path: string): void
}

export interface RunnerProcessOptions {
  readonly file: string
  readonly register: boolean
  readonly environment: NodeJS.ProcessEnv
  /** How long it may take to drain before it is killed, in milliseconds. */
  readonly killAfterMs: number
  /** False: a file that cannot be loaded waits for `start` to be called again, when it has changed. */
  readonly retryFailedLoad: boolean
  readonly events: RunnerProcessEvents
}

export class RunnerProcess {
  readonly #options: RunnerProcessOptions
  #child: ChildProcess | null = null
  #retry: NodeJS.Timeout | null = null
  #pauseMs = FIRST_PAUSE_MS
  #isStopped = true

  constructor(options: RunnerProcessOptions) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  start(): void {
    this.#isStopped = false
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    const { file, register, environment, events } = this.#options
    const child = fork(RUNNER_MAIN, register ? [file] : [file, '--no-register'], {
      env: environment,
      // Signals are ours to pass on: a Ctrl-C in the terminal must not reach the child before we know.
      detached: true,
    })
    this.#child = child
    const startedMs = performance.now()
    let failure: string | null = null
    let isReady = false
    child.on('message', (message: RunnerMessage) => {
      if (message.type === 'imported') events.onImported?.(message.path)
      else if (message.type === 'failed') failure = message.message
      else {
        isReady = true
        events.onReady(message)
      }
    })
    child.on('error', (error) => {
      failure ??= error.message
    })
    child.on('exit', (code, signal) => {
      if (this.#child !== child) return
      this.#child = null
      if (this.#isStopped) return
      if (performance.now() - startedMs > HEALTHY_AFTER_MS) this.#pauseMs = FIRST_PAUSE_MS
      const how = signal === null ? `with status ${code}` : `by ${signal}`
      this.#onDied(failure ?? `The runner of ${file} ended ${how}.`, isReady)
    })
  }

  /** Takes the file as it is now: the new process starts while the old one drains. */
  async restart(): Promise<void> {
    const old = this.#child
    this.#child = null
    this.#pauseMs = FIRST_PAUSE_MS
    this.start()
    if (old !== null) await this.#end(old)
  }

  /** Drains and ends the process. */
  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    if (this.#child !== null) await this.#end(this.#child)
  }

  #onDied(message: string, wasReady: boolean): void {
    const isTriedAgain = wasReady || this.#options.retryFailedLoad
    this.#options.events.onFailed(message, isTriedAgain ? this.#pauseMs : null)
    if (!isTriedAgain) return
    this.#retry = setTimeout(() => this.start(), this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
  }

  async #end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.killAfterMs)
    await exited
    clearTimeout(timer)
  }
}
