// Lines of the log on their way to a file: put together as bytes where they will leave from, handed on together
// as they grow many and by the clock. Made as text, a call's line would be twenty strings that live until then,
// and took a seventh of the gateway's time. What a kill -9 loses is one interval.

export interface ByteSink {
  write(lines: Buffer): void
  /** Returns when these have been written, and those before them, or cannot be. */
  flushSync(lines: Buffer): void
}

/** Room for the line that goes beyond the limit; longer ones get more. */
const SPARE_BYTES = 4096
/** A character is at most so many bytes. */
const CHAR_BYTES = 3

export class LineBuffer {
  readonly #sink: ByteSink
  readonly #maxBytes: number
  #bytes: Buffer
  /** Behind the last byte. */
  #used = 0
  readonly #gatherers: (() => void)[] = []

  /** @param maxBytes with so many, or more, what there is is handed on at once */
  constructor(sink: ByteSink, maxBytes: number) {
    this.#sink = sink
    this.#maxBytes = maxBytes
    this.#bytes = Buffer.allocUnsafeSlow(maxBytes + SPARE_BYTES)
  }

  /** `addLines` is called before anybody else's line is added, and before lines are handed on by the clock. */
  gatherFrom(addLines: () => void): void {
    this.#gatherers.push(addLines)
  }

  /** A line, with its end. */
  write(line: string): void {
    this.#gather()
    const target = this.room(line.length * CHAR_BYTES)
    this.endLine(this.#used + target.write(line, this.#used))
  }

  /** Where a line of at most so many bytes may be put, from `used` on; `endLine` says how far it reaches. */
  room(bytes: number): Buffer {
    const neededBytes = this.#used + bytes
    if (neededBytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * neededBytes)
      larger.set(this.#bytes.subarray(0, this.#used))
      this.#bytes = larger
    }
    return this.#bytes
  }

  /** Behind the last line. */
  get used(): number {
    return this.#used
  }

  endLine(end: number): void {
    this.#used = end
    if (end >= this.#maxBytes) this.#handOn()
  }

  /** Hands on what there is. */
  flush(): void {
    this.#gather()
    this.#handOn()
  }

  /** Hands on what there is, and returns when it has been written. pino calls it before a fatal end. */
  flushSync(): void {
    this.#gather()
    this.#sink.flushSync(this.#take())
  }

  #gather(): void {
    for (const addLines of this.#gatherers) addLines()
  }

  #handOn(): void {
    if (this.#used > 0) this.#sink.write(this.#take())
  }

  #take(): Buffer {
    const lines = this.#bytes.subarray(0, this.#used)
    this.#used = 0
    const usualBytes = this.#maxBytes + SPARE_BYTES
    if (this.#bytes.length === usualBytes) return Buffer.from(lines)
    // It has grown for a long line: that one may have it.
    this.#bytes = Buffer.allocUnsafeSlow(usualBytes)
    return lines
  }
}
