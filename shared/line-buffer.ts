// Lines of the log on their way to a file: kept as they come, handed on together as they grow many and by
// the clock. pino's own destination measures all the text that it holds anew for every line: 5 us of a
// call's 52 in the gateway. What a kill -9 loses is one interval.

export interface ByteSink {
  write(lines: Buffer): void
  /** Returns when these have been written, and those before them, or cannot be. */
  flushSync(lines: Buffer): void
}

export class LineBuffer {
  readonly #sink: ByteSink
  readonly #maxChars: number
  #lines: string[] = []
  #chars = 0

  /** @param maxChars with so many, or more, what there is is handed on at once */
  constructor(sink: ByteSink, maxChars: number) {
    this.#sink = sink
    this.#maxChars = maxChars
  }

  write(line: string): void {
    this.#lines.push(line)
    this.#chars += line.length
    if (this.#chars >= this.#maxChars) this.flush()
  }

  /** Hands on what there is. */
  flush(): void {
    if (this.#chars > 0) this.#sink.write(this.#take())
  }

  /** Hands on what there is, and returns when it has been written. pino calls it before a fatal end. */
  flushSync(): void {
    this.#sink.flushSync(this.#take())
  }

  #take(): Buffer {
    const text = this.#lines.join('')
    this.#lines = []
    this.#chars = 0
    return Buffer.from(text)
  }
}
