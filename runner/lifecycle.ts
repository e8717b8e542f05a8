// The life of a runner, from the moment that it is connected and registered:
//
//   loading ──▶ ready ──▶ draining ──▶ gone
//      │ │        │                     ▲ ▲
//      │ └────────┼── told to stop ─────┘ │
//      ▼          └── id is another's ────┘
//    failed         (told to stop: or an exception that nobody has caught)
//
// Owns the announcer, the server and, from here on, the connection.

import type { Logger } from 'pino'
import { type FailureReason, failureReason } from '../shared/announcement.js'
import type { RunnerConfig } from '../shared/config.js'
import { CreditBudget } from '../shared/credit.js'
import type { Manifest } from '../shared/manifest.js'
import { timerMs } from '../shared/max-timer.js'
import type { NatsBus } from '../shared/nats.js'
import { subjectsIn } from '../shared/subjects.js'
import { Announcer } from './announce.js'
import type { DefinedFunction } from './define-function.js'
import { LoadError } from './load-function.js'
import { type Loading, loadModel } from './load-model.js'
import { logThrown } from './log-thrown.js'
import { reasonOf } from './reason-of.js'
import { RunnerServer } from './serve.js'

export type StopReason = 'told' | 'no healthy slot' | 'nats closed' | 'superseded' | 'exception'

export interface RunnerParts {
  readonly definition: DefinedFunction
  readonly manifest: Manifest
  readonly bus: NatsBus
  readonly config: RunnerConfig
  readonly log: Logger
}

export class Runner {
  readonly manifest: Manifest
  /** Resolves when the runner has left, unless that was because it could not load. */
  readonly stopped: Promise<StopReason>
  readonly #parts: RunnerParts
  readonly #server: RunnerServer
  readonly #announcer: Announcer
  #state: 'loading' | 'ready' | 'draining' | 'gone' | 'failed' = 'loading'
  #loading: Loading | null = null
  #stopping: Promise<void> | null = null
  #onStopped!: (reason: StopReason) => void
  #breakLoading!: (error: LoadError) => void
  /** Never resolves. */
  readonly #loadingBroken: Promise<never>
  #giveUp!: () => void
  /** Resolves when nothing is waited for any more. */
  readonly #givenUp: Promise<void>
  #announcedSlots = 0

  /** Resolves when the server has its inbox and its first announcement. */
  static async open(parts: RunnerParts): Promise<Runner> {
    const runner = new Runner(parts)
    // Before `load`, which may keep this process from sending anything for a long time.
    await parts.bus.flush()
    return runner
  }

  private constructor(parts: RunnerParts) {
    const { bus, manifest, config, log } = parts
    this.#parts = parts
    this.manifest = manifest
    this.stopped = new Promise((resolve) => {
      this.#onStopped = resolve
    })
    this.#givenUp = new Promise((resolve) => {
      this.#giveUp = resolve
    })
    this.#loadingBroken = new Promise((_, reject) => {
      this.#breakLoading = reject
    })
    // Nobody may be waiting for it yet.
    this.#loadingBroken.catch(() => {})
    const subjects = subjectsIn(config.namespace)
    this.#server = new RunnerServer({
      bus,
      subjects,
      slots: manifest.maxInputs,
      log,
      onRenamed: () => this.#announcer.renamed(),
      onSlots: () => this.#onSlots(),
    })
    this.#announcer = new Announcer({
      bus,
      subjects,
      functionName: manifest.name,
      version: config.version,
      loadTimeoutMs: manifest.loadTimeoutMs,
      runnerId: () => this.#server.runnerId,
      slots: () => this.#server.healthySlots,
      busyBy: () => this.#server.busyBy,
      onSuperseded: ({ host, pid, startedAt }) => {
        log.error(
          { runner: this.runnerId, host, pid, startedAt },
          'another runner, started later, has the id of this one: this one stops and comes back under another',
        )
        void this.#stop('superseded')
      },
    })
    void bus.closed.then(() => this.#stop('nats closed'))
  }

  get runnerId(): string {
    return this.#server.runnerId
  }

  /**
   * Loads the model and takes calls. False when the runner was told to stop meanwhile. Throws a LoadError,
   * which was announced; the runner is `failed` then.
   */
  async load(): Promise<boolean> {
    const { definition, manifest, config, log } = this.#parts
    if (this.#state !== 'loading') return false
    this.#loading = loadModel(definition, log, manifest.loadTimeoutMs)
    let model: unknown
    try {
      model = await Promise.race([this.#loading.model, this.#loadingBroken, this.#givenUp])
    } catch (error) {
      if (this.#state !== 'loading') return false
      await this.#fail(failureOf(error))
      throw error
    }
    if (this.#state !== 'loading') return false
    this.#server.open({
      definition,
      model,
      log,
      budget: new CreditBudget(config.creditBytes),
      maxBodyBytes: manifest.maxBodyBytes,
      maxMessageBytes: manifest.maxMessageBytes,
      cancelGraceMs: config.cancelGraceMs,
    })
    this.#state = 'ready'
    this.#announcedSlots = this.#server.healthySlots
    this.#announcer.ready()
    log.info({ runner: this.runnerId, slots: manifest.maxInputs }, 'runner ready')
    return true
  }

  /** Finishes the calls that it has, for `drainMs` at most, and leaves. Idempotent. */
  stop(): Promise<void> {
    return this.#stop('told')
  }

  /** Like `stop`, but waits for nothing: calls in flight are lost. */
  stopNow(): Promise<void> {
    this.#giveUp()
    return this.#stop('told')
  }

  /** A promise of the function's has failed, and nobody waits for it: no reason to end anybody's call. */
  onUnhandledRejection(reason: unknown): void {
    logThrown(
      this.#parts.log,
      reason,
      'a promise of the function was rejected and left without a handler: await it, or give it a `catch`',
    )
  }

  /**
   * The function threw where no call can catch it, so nobody knows what state this process is in. While it
   * loads, its load has failed; later, it finishes the calls that it has and leaves, to be replaced.
   */
  onUncaughtException(error: unknown): void {
    const { log } = this.#parts
    logThrown(log, error, 'the function threw outside of any call: this runner is replaced')
    if (this.#state !== 'loading') return void this.#stop('exception')
    const sentence = `the function threw while it was loaded: ${reasonOf(error)}`
    this.#breakLoading(new LoadError(sentence, { cause: error }))
  }

  #stop(reason: StopReason): Promise<void> {
    if (this.#state === 'failed') return Promise.resolve()
    // Also when leaving fails: a process that stays would serve nobody.
    this.#stopping ??= this.#leave(reason).finally(() => this.#onStopped(reason))
    return this.#stopping
  }

  async #leave(reason: StopReason): Promise<void> {
    const { bus, log } = this.#parts
    const wasLoading = this.#state === 'loading'
    this.#state = 'draining'
    if (reason === 'superseded') {
      // What is said and heard under this id from here on is the other one's.
      this.#announcer.close()
      this.#server.abortAll('draining')
      this.#server.close()
    } else {
      this.#announcer.drain()
      if (wasLoading) await this.#stopLoading()
      else await this.#drain()
      await Promise.race([this.#server.leave(), this.#givenUp])
      this.#announcer.gone()
      this.#server.close()
    }
    this.#state = 'gone'
    this.#giveUp()
    await bus.close()
    log.info({ runner: this.runnerId, reason }, 'runner gone')
  }

  async #stopLoading(): Promise<void> {
    const stopped = this.#loading?.stop(this.#parts.config.cancelGraceMs)
    await Promise.race([stopped, this.#givenUp])
  }

  async #drain(): Promise<void> {
    const { drainMs, cancelGraceMs } = this.#parts.config
    const timers = [
      setTimeout(() => this.#server.abortAll('draining'), drainMs),
      setTimeout(() => this.#giveUp(), timerMs(drainMs, cancelGraceMs)),
    ]
    await Promise.race([this.#server.drain(), this.#givenUp])
    for (const timer of timers) clearTimeout(timer)
  }

  async #fail(reason: FailureReason): Promise<void> {
    this.#state = 'failed'
    this.#parts.log.error({ runner: this.runnerId, code: reason.code }, reason.message)
    this.#announcer.fail(reason)
    this.#server.close()
    await this.#parts.bus.close()
  }

  #onSlots(): void {
    const slots = this.#server.healthySlots
    if (this.#state !== 'ready' || slots === this.#announcedSlots) return
    // A poisoned slot matters to whoever sends calls here.
    this.#announcedSlots = slots
    this.#announcer.announce()
    if (slots > 0) return
    this.#parts.log.error('no healthy slot is left: this runner is replaced')
    void this.#stop('no healthy slot')
  }
}

function failureOf(error: unknown): FailureReason {
  return error instanceof LoadError
    ? failureReason(error.code, error.message)
    : failureReason('load_failed', String(error))
}
