// Keeps one runner process alive: starts it, starts it again when it dies, hangs as it loads or is stuck
// later on, stops it when told. Owns the child process, the timer of the next attempt, the one of its load
// and the watch over it.
//
//   starting ──▶ loading ──▶ ready ──▶ ending ──▶ ended     (restart: the next one is `starting` meanwhile)
//      ▲            │          │
//      └── waiting ◀┴──────────┘   (it died: again after a pause that doubles up to ten seconds)

import type { ChildProcess } from 'node:child_process'
import { DEFAULT_LOAD_TIMEOUT_MS } from '../../shared/manifest.js'
import { timerMs } from '../../shared/max-timer.js'
import type { RegistryState } from '../../shared/registry-guard.js'
import { endGroup } from './process-group.js'
import { Pulse, TICK_MS } from './pulse.js'
import type { RunnerMessage, StopMessage } from './runner-message.js'
import type { RunnerSource } from './runner-source.js'

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000
/** A runner that was ready for so long has not failed at its start: the next pause is short again. */
const HEALTHY_AFTER_MS = 10_000
/** A runner ends a `load` that takes too long itself, unless it hangs. So much later it is killed. */
const LOAD_GRACE_MS = 2_000

export interface RunnerProcessEvents {
  /** The function is registered, and its model is loaded from now on. */
  onLoading?(runner: { name: string; routes: readonly string[] }): void
  onReady(runner: { name: string; routes: readonly string[]; runnerId: string }): void
  /** It could not start, or died: one sentence. `retryInMs` is null when it is not tried again by itself. */
  onFailed(message: string, retryInMs: number | null): void
  /** It may not have a route that it wants, which belongs to one of these; not tried again by itself. */
  onRefused(message: string, owners: readonly string[]): void
  /** What the function is called, before it is registered. */
  onNamed?(name: string): void
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
  /** Processes that were told to end, the current one or ones before it, and what they leave behind. */
  readonly #ending = new Set<Promise<void>>()
  #retry: NodeJS.Timeout | null = null
  #pauseMs = FIRST_PAUSE_MS
  #isStopped = true
  /**
   * The one that the function was put into: what it says since is somebody's word, and a runner that only died
   * must not take it back.
   */
  #registry: RegistryState | null = null
  /** The function's, as it was registered last. */
  #name: string | null = null

  constructor(options: RunnerProcessOptions) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /**
   * Registers the function, if that is wanted; one that is started again because it died does not, unless the
   * registry is another one by then.
   */
  start(): void {
    this.#registry = null
    this.#start()
  }

  #start(): void {
    this.#isStopped = false
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    const { file, register, source, events } = this.#options
    const child = source.take({
      file,
      registering: register ? (this.#registry ?? 'now') : 'never',
      replaces: this.#name,
    })
    this.#child = child
    let failure: string | null = null
    let owners: readonly string[] | null = null
    let readyMs: number | null = null
    // Until it says how long its `load` may take, what hangs is the import of the file.
    let loadTimer = killLater(DEFAULT_LOAD_TIMEOUT_MS, 'its file could not be imported')
    let watch: NodeJS.Timeout | undefined
    const pulse = new Pulse(performance.now())
    child.on('message', (message: RunnerMessage) => {
      switch (message.type) {
        case 'imported':
          return events.onImported?.(message.path)
        case 'named':
          if (this.#child === child) events.onNamed?.(message.name)
          return
        case 'failed':
          failure = message.message
          return
        case 'refused':
          failure = message.message
          owners = message.owners
          return
        case 'registered':
          if (this.#child === child) this.#registry = message.registry
          return
        case 'loading':
          clearTimeout(loadTimer)
          loadTimer = killLater(message.loadTimeoutMs, '`load` did not return')
          if (this.#child !== child) return
          this.#name = message.name
          events.onLoading?.(message)
          return
        case 'ready':
          clearTimeout(loadTimer)
          readyMs = performance.now()
          if (this.#child === child) events.onReady(message)
          return
        case 'beat':
          pulse.beat(message.longestCallMs)
          watch ??= setInterval(killIfStuck, TICK_MS)
          return
        default:
          message satisfies never
      }
    })
    const onEnded = (how: string) => {
      stopTimers()
      if (this.#child !== child) return
      this.#child = null
      if (this.#isStopped) return
      const wasHealthy = readyMs !== null && performance.now() - readyMs > HEALTHY_AFTER_MS
      if (wasHealthy) this.#pauseMs = FIRST_PAUSE_MS
      if (failure !== null && owners !== null) return events.onRefused(failure, owners)
      this.#onDied(failure ?? `The runner of ${file} ended ${how}.`, readyMs !== null)
    }
    child.on('exit', async (code, signal) => {
      stopTimers()
      this.#await(endGroup(child.pid!, code === 0))
      // Its last words may still be in the channel.
      if (child.connected) await new Promise((resolve) => child.once('disconnect', resolve))
      onEnded(signal === null ? `with status ${code}` : `by ${signal}`)
    })
    child.on('error', (error) => {
      // Without a process there will be no exit.
      if (child.pid === undefined) onEnded(`before it began: ${error.message}`)
    })

    function stopTimers(): void {
      clearTimeout(loadTimer)
      clearInterval(watch)
    }

    function killIfStuck(): void {
      if (!pulse.isStuck(performance.now())) return
      const seconds = Math.round(pulse.silentMs / 1_000)
      failure = `The runner of ${file} was killed: it has been stuck for ${seconds} s, longer than any of its calls may take (timeoutMs and CALLGATE_CANCEL_GRACE_MS). Something in it computes without end, or without a pause.`
      child.kill('SIGKILL')
    }

    // A process that is blocked hears no other signal.
    function killLater(timeoutMs: number | null, what: string): NodeJS.Timeout | undefined {
      if (timeoutMs === null) return undefined
      const delayMs = timerMs(timeoutMs, LOAD_GRACE_MS)
      return setTimeout(() => {
        failure = `The runner of ${file} was killed: ${what} within ${timeoutMs} ms, and it did not end by itself.`
        child.kill('SIGKILL')
      }, delayMs)
    }
  }

  /** Takes the file as it is now: the new process starts while the old one drains. */
  restart(): void {
    if (this.#child !== null) this.#await(this.#end(this.#child))
    this.#child = null
    this.#pauseMs = FIRST_PAUSE_MS
    this.start()
  }

  /** Drains and ends every process; resolves when none is left. */
  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    if (this.#child !== null) this.#await(this.#end(this.#child))
    // What a process leaves behind is ended after itself.
    while (this.#ending.size > 0) await Promise.all(this.#ending)
  }

  #onDied(message: string, wasReady: boolean): void {
    const isTriedAgain = wasReady || this.#options.retryFailedLoad
    this.#options.events.onFailed(message, isTriedAgain ? this.#pauseMs : null)
    if (!isTriedAgain) return
    this.#retry = setTimeout(() => this.#start(), this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
  }

  #await(ended: Promise<void>): void {
    const tracked = ended.finally(() => this.#ending.delete(tracked))
    this.#ending.add(tracked)
  }

  async #end(child: ChildProcess): Promise<void> {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.send({ type: 'stop' } satisfies StopMessage, (error) => {
      if (error !== null) child.kill('SIGTERM')
    })
    const killAfterMs = timerMs(this.#options.source.options.killAfterMs)
    const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    await exited
    clearTimeout(timer)
  }
}
