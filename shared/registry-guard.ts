// Notices that the registry is not the one that it was: a NATS server has come back without its store, or with
// what stood in it earlier (a snapshot, or last writes that a power failure has taken), or somebody has deleted
// the bucket. Nothing else tells: a watch of the old one stays silent for ever, and one of a registry that has
// gone back waits for a write whose number comes much later.

import type { Logger } from 'pino'
import type { NatsBus } from './nats.js'

const RETRY_MS = 1_000

/** What a registry is known by. */
export interface RegistryState {
  /** When its bucket was made: one that is restored keeps it. */
  readonly madeAt: string
  /** Of its last write; it never goes down by itself. */
  readonly sequence: number
}

export interface RegistryGuardOptions {
  readonly bus: Pick<NatsBus, 'isConnected' | 'onConnection' | 'closed'>
  /** The registry of now; null: there is none. */
  readonly look: () => Promise<RegistryState | null>
  /** Of the latest write of the registry, since it was replaced the last time, that this process has seen. */
  readonly seen: () => number
  /**
   * Makes good what is lost. Called again, a little later, where it rejects.
   * @param isNew it was made anew; else it is the one that was, as it was earlier
   */
  readonly onReplaced: (isNew: boolean) => Promise<void>
  /** Besides every return of the connection. */
  readonly everyMs: number
  /** Told once of what fails, until it does not any more. */
  readonly log: Pick<Logger, 'error'>
  /** The one that was, if that is not the one of the start: `onReplaced` may be called at once. */
  readonly known?: RegistryState | undefined
  /** Told which one is watched over: at the start, unless it was `known`, and when it has been replaced. */
  readonly onKnown?: ((registry: RegistryState) => void) | undefined
}

export class RegistryGuard {
  readonly #options: RegistryGuardOptions
  readonly #stopListening: () => void
  readonly #interval: NodeJS.Timeout
  #known: RegistryState | null
  #retry: NodeJS.Timeout | null = null
  #isChecking = false
  #isFailing = false
  #isClosed = false

  /** Resolves when it knows the registry of now. It ends with the connection, or by `close`. */
  static async start(options: RegistryGuardOptions): Promise<RegistryGuard> {
    const guard = new RegistryGuard(options, options.known ?? (await options.look()))
    if (options.known !== undefined) await guard.#check()
    else guard.#tell()
    return guard
  }

  private constructor(options: RegistryGuardOptions, known: RegistryState | null) {
    const { bus, everyMs } = options
    this.#options = options
    this.#known = known
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
    const { look, seen, onReplaced } = this.#options
    try {
      // Before the look: what is seen while it is under way may be later than what it finds.
      const known = laterOf(this.#known, seen())
      this.#known = known
      const found = await look()
      if (this.#isClosed) return
      if (isSame(known, found)) {
        this.#known = found
      } else {
        await onReplaced(found?.madeAt !== known?.madeAt)
        this.#known = await look()
        this.#tell()
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

  #tell(): void {
    if (this.#known !== null) this.#options.onKnown?.(this.#known)
  }

  /** One retry at a time, whoever has asked: checks by the clock must not begin a chain each. */
  #checkLater(): void {
    if (this.#retry !== null) clearTimeout(this.#retry)
    if (!this.#isClosed) this.#retry = setTimeout(() => void this.#check(), RETRY_MS).unref()
  }
}

function isSame(known: RegistryState | null, found: RegistryState | null): boolean {
  if (known === null || found === null) return false
  return found.madeAt === known.madeAt && found.sequence >= known.sequence
}

function laterOf(known: RegistryState | null, sequence: number): RegistryState | null {
  return known === null || known.sequence >= sequence ? known : { ...known, sequence }
}
