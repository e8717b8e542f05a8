// Where the lines of the log go: a file descriptor, written to in the background, one write after the other, in
// pieces of whole lines. The runners of one supervisor write to one pipe, and a function's `console.log` to the
// same: the kernel keeps writes apart up to PIPE_BUF, and mixes what is longer.
//
//   idle ──▶ writing ──▶ idle            (pausing: nobody reads; the same piece is tried again)
//               ▲ └──▶ pausing ─┐
//               └───────────────┘

import { fstatSync, write, writeSync } from 'node:fs'
import type { ByteSink } from './line-buffer.js'

/** Linux's. macOS has 512, where lines of several processes may be mixed; it is no place for production. */
const PIPE_BUF_BYTES = 4096
/** A reader that has stopped reading must not fill our memory: what comes beyond this is dropped. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
const PAUSE_MS = 50
/** At the end of the process, for a reader that is slow. One that has stopped must not keep us. */
const LAST_WORDS_MS = 1_000
const LAST_PAUSE_MS = 5
const NEWLINE = 0x0a

export class LineSink implements ByteSink {
  readonly #fd: number
  readonly #maxPieceBytes: number
  /** Whole lines, but for the first one's beginning, which may be written already. */
  readonly #waiting: Buffer[] = []
  #waitingBytes = 0
  #state: 'idle' | 'writing' | 'pausing' = 'idle'

  /** @param isOnlyWriter nobody else writes there: larger pieces cost less */
  constructor(fd: number, isOnlyWriter: boolean) {
    this.#fd = fd
    this.#maxPieceBytes = isOnlyWriter ? Number.POSITIVE_INFINITY : PIPE_BUF_BYTES
    if (isPipe(fd)) prepareStandardOutput()
  }

  write(lines: Buffer): void {
    if (this.#waitingBytes + lines.length > MAX_WAITING_BYTES) return
    this.#waiting.push(lines)
    this.#waitingBytes += lines.length
    if (this.#state === 'idle') this.#writeNext()
  }

  flushSync(lines: Buffer): void {
    this.#waiting.push(lines)
    const untilMs = performance.now() + LAST_WORDS_MS
    // What another thread is writing now is its own to finish.
    if (this.#state === 'writing')
      this.#waiting[0] = this.#waiting[0]!.subarray(this.#piece().length)
    while (this.#waiting.length > 0) {
      try {
        this.#written(writeSync(this.#fd, this.#piece()))
      } catch (error) {
        if (!isBusy(error) || performance.now() > untilMs) return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_PAUSE_MS)
      }
    }
  }

  #writeNext(): void {
    if (this.#waiting.length === 0) {
      this.#state = 'idle'
      return
    }
    this.#state = 'writing'
    write(this.#fd, this.#piece(), (error, bytes) => {
      if (error === null) {
        this.#written(bytes)
        this.#writeNext()
      } else if (isBusy(error)) {
        this.#state = 'pausing'
        setTimeout(() => this.#writeNext(), PAUSE_MS).unref()
      } else {
        // The reader has gone, or the disk is full: no reason to end. Later lines try again.
        this.#waiting.length = 0
        this.#waitingBytes = 0
        this.#state = 'idle'
      }
    })
  }

  /** Whole lines from the first that waits; of a line that is longer than a piece, all of it. */
  #piece(): Buffer {
    const [lines] = this.#waiting as [Buffer]
    if (lines.length <= this.#maxPieceBytes) return lines
    const last = lines.lastIndexOf(NEWLINE, this.#maxPieceBytes - 1)
    const end = last === -1 ? lines.indexOf(NEWLINE) : last
    return end === -1 ? lines : lines.subarray(0, end + 1)
  }

  #written(bytes: number): void {
    const [lines] = this.#waiting as [Buffer]
    this.#waitingBytes -= bytes
    if (bytes === lines.length) this.#waiting.shift()
    else this.#waiting[0] = lines.subarray(bytes)
  }
}

function prepareStandardOutput(): void {
  // To touch it makes the pipe one that does not block: a write to a reader that has stopped would hold a
  // thread, and with it the end of the process.
  const stream = process.stdout as { _writev: unknown }
  // What `console.log` has not got rid of would leave in one write, longer than PIPE_BUF.
  stream._writev = null
}

/** As well a socket, which a parent that is a Node process gives. */
function isPipe(fd: number): boolean {
  try {
    const status = fstatSync(fd)
    return status.isFIFO() || status.isSocket()
  } catch {
    return false
  }
}

function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EAGAIN' || code === 'EBUSY'
}
