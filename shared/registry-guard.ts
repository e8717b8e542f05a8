// Notices that the registry is not the one that it was: a NATS server has come back without its store, or
// somebody has deleted the bucket. Nothing else tells: a watch of the old one stays silent for ever.

import type { Logger } from 'pino'
import type { NatsBus } from './nats.js'

const RETRY_MS = 1_000

export interface RegistryGuardOptions {
  readonly bus: Pick<NatsBus, 'isConnected' | 'onConnection' | 'closed'>
  /** What the registry of now is known by; null: there is none. */
  readonly identity: () => Promise<string | null>
  /** Makes good what is lost. Called again, a little later, where it rejects. */
  readonly onReplaced: () => Promise<void>
  /** Besides every return of the connection. */
  readonly everyMs: number
  /** Told once of what fails, until it does not any more. */
  readonly log: Pick<Logger, 'error'>
}

export class RegistryGuard {
  readonly #options: RegistryGuardOptions
  readonly #stopListening: () => void
  readonly #interval: NodeJS.Timeout
  #identity: string | null
  #retry: NodeJS.Timeout | null = null
  #isChecking = false
  #isFailing = false
  #isClosed = false

  /** Resolves when it knows the registry of now. It ends with the connection, or by `close`. */
  static async start(options: RegistryGuardOptions): Promise<RegistryGuard> {
    return new RegistryGuard(options, await options.identity())
  }

  private constructor(options: RegistryGuardOptions, identity: string | null) {
    const { bus, everyMs } = options
    this.#options = options
    this.#identity = identity
    this.#stopListening = bus.onConnection((isConnected) => {
      if (isConnected) void this.#check()
    })
    this.#interval = setInterval(() => void this.#check(), everyMs).unref()
    void bus.closed.then(() => this.close())
  }

  close(): void {
    this.#isClosed = true
    this.#stopListening()
    clearInterval(this.#interval)
    if (this.#retry !== null) clearTimeout(this.#retry)
  }

  async #check(): Promise<void> {
    if (this.#isChecking || this.#isClosed || !this.#options.bus.isConnected) return
    this.#isChecking = true
    const { identity, onReplaced } = this.#options
    try {
      const found = await identity()
      if (this.#isClosed) return
      if (found !== this.#identity || found === null) {
        await onReplaced()
        this.#identity = await identity()
      }
      this.#isFailing = false
    } catch (error) {
      // JetStream may take longer to be back than the connection; when that is lost, its return asks again.
      if (!this.#isFailing && !this.#isClosed) {
        this.#options.log.error(
          { err: error },
          'the function registry cannot be looked at: trying again',
        )
      }
      this.#isFailing = true
      this.#checkLater()
    } finally {
      this.#isChecking = false
    }
  }

  /** One retry at a time, whoever has asked: checks by the clock must not begin a chain each. */
  #checkLater(): void {
    if (this.#retry !== null) clearTimeout(this.#retry)
    if (!this.#isClosed) this.#retry = setTimeout(() => void this.#check(), RETRY_MS).unref()
  }
}
