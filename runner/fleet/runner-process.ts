// Keeps one runner process alive: starts it, starts it again when it dies, stops it when told. Owns the
// child process and the timer of the next attempt.
//
//   starting ──▶ ready ──▶ ending ──▶ ended      (restart: the next one is `starting` meanwhile)
//      ▲           │
//      └── waiting ┘   (it died: again after a pause that doubles up to ten seconds)

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { RunnerMessage } from './runner-message.js'
import type { RunnerSource } from './runner-source.js'

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
  readonly source: RunnerSource
  /** False: a file that cannot be loaded waits for `start` to be called again, when it has changed. */
  readonly retryFailedLoad: boolean
  readonly events: RunnerProcessEvents
}

export class RunnerProcess {
  readonly #options: RunnerProcessOptions
  #child: ChildProcess | null = null
  /** Processes that were told to end, the current one or ones before it. */
  readonly #ending = new Set<Promise<void>>()
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
    const { file, register, source, events } = this.#options
    const child = source.take(file, register)
    this.#child = child
    const startedMs = performance.now()
    let failure: string | null = null
    let isReady = false
    child.on('message', (message: RunnerMessage) => {
      if (message.type === 'imported') events.onImported?.(message.path)
      else if (message.type === 'failed') failure = message.message
      else if (this.#child === child) {
        isReady = true
        events.onReady(message)
      }
    })
    const onEnded = (how: string) => {
      if (this.#child !== child) return
      this.#child = null
      if (this.#isStopped) return
      if (performance.now() - startedMs > HEALTHY_AFTER_MS) this.#pauseMs = FIRST_PAUSE_MS
      this.#onDied(failure ?? `The runner of ${file} ended ${how}.`, isReady)
    }
    child.on('exit', async (code, signal) => {
      // Its last words may still be in the channel.
      if (child.connected) await once(child, 'disconnect')
      onEnded(signal === null ? `with status ${code}` : `by ${signal}`)
    })
    child.on('error', (error) => {
      // Without a process there will be no exit.
      if (child.pid === undefined) onEnded(`before it began: ${error.message}`)
    })
  }

  /** Takes the file as it is now: the new process starts while the old one drains. */
  restart(): void {
    if (this.#child !== null) this.#end(this.#child)
    this.#child = null
    this.#pauseMs = FIRST_PAUSE_MS
    this.start()
  }

  /** Drains and ends every process; resolves when none is left. */
  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    if (this.#child !== null) this.#end(this.#child)
    await Promise.all(this.#ending)
  }

  #onDied(message: string, wasReady: boolean): void {
    const isTriedAgain = wasReady || this.#options.retryFailedLoad
    this.#options.events.onFailed(message, isTriedAgain ? this.#pauseMs : null)
    if (!isTriedAgain) return
    this.#retry = setTimeout(() => this.start(), this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
  }

  #end(child: ChildProcess): void {
    const ended = this.#ended(child).finally(() => this.#ending.delete(ended))
    this.#ending.add(ended)
  }

  async #ended(child: ChildProcess): Promise<void> {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.source.options.killAfterMs)
    await exited
    clearTimeout(timer)
  }
}
