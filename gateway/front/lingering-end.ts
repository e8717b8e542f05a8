// The end of an answer that came before its request's body did, to a client that said `Connection: close`.
// The engine closes such a connection with the answer's last byte; what the client still sends then makes
// the kernel reset it, and the answer may be lost on its way (RFC 9112, 9.6). So the end waits until the
// body is complete, or its sender has stopped.

/** A sender that is silent for so long has seen what it has of the answer, and stopped. */
const SILENCE_MS = 1_000

export class LingeringEnd {
  readonly #end: () => void
  readonly #timer: NodeJS.Timeout

  /** @param end completes the answer; is called once, unless `cancel` comes before */
  constructor(end: () => void) {
    this.#end = end
    this.#timer = setTimeout(end, SILENCE_MS)
  }

  /** More of the body has come, and was dropped. */
  onData(isLast: boolean): void {
    if (!isLast) {
      this.#timer.refresh()
      return
    }
    this.cancel()
    this.#end()
  }

  /** The client has left. */
  cancel(): void {
    clearTimeout(this.#timer)
  }
}
