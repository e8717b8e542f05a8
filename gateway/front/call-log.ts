// The log's lines for calls that have ended. Where the log is one JSON object a line, those of HTTP calls are
// put together by hand (`call-line.ts`): pino looks at every field of every line anew, which was a tenth of a
// call's time.

import type { Logger } from 'pino'
import type { LineBuffer } from '../../shared/line-buffer.js'
import { linesOf } from '../../shared/log.js'
import type { CallRecord, SocketRecord } from '../call-record.js'
import { lineBytesAtMost, writeLine } from './call-line.js'

export class CallLog {
  readonly #log: Logger
  readonly #lines: LineBuffer | null
  #unwritten: CallRecord[] = []

  constructor(log: Logger) {
    this.#log = log
    this.#lines = log.isLevelEnabled('info') ? linesOf(log) : null
    this.#lines?.gatherFrom(() => this.#writeLines())
  }

  write(record: CallRecord): void {
    if (record.code === 'internal') this.#log.error(record, 'call')
    else if (this.#lines === null) this.#log.info(record, 'call')
    else {
      this.#unwritten.push(record)
      if (this.#unwritten.length === 1) setImmediate(() => this.#writeLines())
    }
  }

  writeSocket(record: SocketRecord): void {
    this.#log.info(record, 'call')
  }

  /** Of the calls of one turn of the event loop, behind all of their answers. */
  #writeLines(): void {
    const records = this.#unwritten
    if (records.length === 0 || this.#lines === null) return
    this.#unwritten = []
    const timeMs = Date.now()
    for (const record of records) {
      const target = this.#lines.room(lineBytesAtMost(record))
      this.#lines.endLine(writeLine(target, this.#lines.used, record, timeMs))
    }
  }
}
