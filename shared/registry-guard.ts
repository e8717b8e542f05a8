// Notices that the registry is not the one that it was: a NATS server has come back without its store, or
// somebody has deleted the bucket. Nothing else tells: a watch of the old one stays silent for ever.

import type { NatsBus } from './nats.js'

const RETRY_MS = 1_000

export interface RegistryGuardOptions {
  readonly bus: Pick<NatsBus, 'isConnected' | 'onConnection' | 'closed'>
  /** What the registry of now is known by; null: there is none. */
  readonly identity: () => Promise<string | null>
  /** Makes good what is lost. Called again, a little later, where it rejects. */
  readonly onReplaced: () => Promise<void>
  /** Besides every return of the connection. */
  readonly everyMs?: number
}

export class RegistryGuard {
  readonly #options: RegistryGuardOptions
  readonly #stopListening: () => void
  readonly #interval: NodeJS.Timeout | null
  #identity: string | null
  #retry: NodeJS.Timeout | null = null
  #isChecking = false
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
    this.#interval = everyMs === undefined ? null : setInterval(() => void this.#check(), everyMs)
    this.#interval?.unref()
    void bus.closed.then(() => this.close())
  }

  close(): void {
    this.#isClosed = true
    this.#stopListening()
    if (this.#interval !== null) clearInterval(this.#interval)
    if (this.#retry !== null) clearTimeout(this.#retry)
  }

  async #check(): Promise<void> {
    if (this.#isChecking || this.#isClosed || !this.#options.bus.isConnected) return
    this.#isChecking = true
    const { identity, onReplaced } = this.#options
    try {
      const found = await identity()
      if (found === this.#identity && found !== null) return
      if (this.#isClosed) return
      await onReplaced()
      this.#identity = await identity()
    } catch {
      // JetStream may take longer to be back than the connection; when that is lost, its return asks again.
      if (!this.#isClosed) this.#retry = setTimeout(() => void this.#check(), RETRY_MS).unref()
    } finally {
      this.#isChecking = false
    }
  }
}
