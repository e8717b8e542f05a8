// Lines of the log on their way to a file: copied into one buffer as they come, handed on as it fills and
// by the clock. pino's own destination measures all the text that it holds anew for every line: 5 us of a
// call's 52 in the gateway. What a kill -9 loses is one interval.

/** What takes whole buffers: pino's destination in its mode for bytes. */
export interface ByteSink {
  write(bytes: Buffer): void
  flushSync(): void
}

export class LineBuffer {
  readonly #sink: ByteSink
  readonly #bufferBytes: number
  #buffer: Buffer
  #used = 0

  constructor(sink: ByteSink, bufferBytes: number) {
    this.#sink = sink
    this.#bufferBytes = bufferBytes
    this.#buffer = Buffer.allocUnsafeSlow(bufferBytes)
  }

  write(line: string): void {
    // No character takes more than three bytes; only a line that may be too long is measured.
    if (this.#used + 3 * line.length > this.#bufferBytes) {
      this.flush()
      if (3 * line.length > this.#bufferBytes) return this.#sink.write(Buffer.from(line))
    }
    this.#used += this.#buffer.write(line, this.#used)
  }

  /** Hands on what there is. */
  flush(): void {
    if (this.#used === 0) return
    this.#sink.write(this.#buffer.subarray(0, this.#used))
    // The other one belongs to the sink until it is written.
    this.#buffer = Buffer.allocUnsafeSlow(this.#bufferBytes)
    this.#used = 0
  }

  /** Hands on what there is, and returns when it has been written. pino calls it before a fatal end. */
  flushSync(): void {
    this.flush()
    this.#sink.flushSync()
  }
}
