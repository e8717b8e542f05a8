// uWebSockets.js cuts a connection on which nothing has moved for ten seconds, in the middle of a body as
// well: a client that reads slowly, an upload that pauses. How long a call may be silent is for its
// function's clocks to say, so the calls whose bodies are under way are kept from that time-out:
// `resume` on a response sets the engine's clock anew.

/** Well below ten seconds, less the four that the engine's clock may be off. */
const INTERVAL_MS = 4_000

export interface Stallable {
  /** Sets the engine's clock anew. */
  keepAlive(): void
}

export class StallGuard {
  readonly #calls = new Set<Stallable>()
  #timer: NodeJS.Timeout | null = null

  add(call: Stallable): void {
    this.#calls.add(call)
    this.#timer ??= setInterval(() => this.#keepAlive(), INTERVAL_MS)
  }

  delete(call: Stallable): void {
    if (!this.#calls.delete(call) || this.#calls.size > 0) return
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#calls.clear()
  }

  #keepAlive(): void {
    for (const call of this.#calls) call.keepAlive()
  }
}
