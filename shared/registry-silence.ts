// How long a reader of the registry waits for the next of the entries that were announced to it: a connection
// that is cut at the wrong moment, or a bucket that is emptied, and they never come.

import { RegistryUnavailable } from './registry-fault.js'

/** JetStream's own requests have half of it. */
export const SILENCE_MS = 10_000

export class RegistrySilence {
  readonly #limitMs: number
  readonly #onSilent: () => void
  #timer: NodeJS.Timeout

  /** Begins to wait. It must be ended. */
  constructor(limitMs: number, onSilent: () => void) {
    this.#limitMs = limitMs
    this.#onSilent = onSilent
    this.#timer = setTimeout(onSilent, limitMs)
  }

  heard(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#onSilent, this.#limitMs)
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  static fault(): RegistryUnavailable {
    return new RegistryUnavailable(
      'The function registry does not send all that is in it. JetStream, or the connection to it, has a fault; the log of nats-server may say more.',
    )
  }
}
