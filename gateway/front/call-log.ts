// The log's line for a finished call. It is put together as text where the log is one JSON object a line:
// pino looks at every field of every line anew, which was a tenth of a call's time.

import type { Logger } from 'pino'
import type { LineBuffer } from '../../shared/line-buffer.js'
import { linesOf } from '../../shared/log.js'

export interface CallRecord {
  readonly callId: string
  readonly method: string
  /** Without the query: it may hold what a log must not. */
  readonly path: string
  readonly function: string | undefined
  /** Of the token. */
  readonly subject: string | undefined
  /** 499 where the client has left. */
  readonly status: number
  /** Of the error, where it was one. */
  readonly code: string | undefined
  /** To a hundredth. */
  readonly durationMs: number
  readonly requestBytes: number
  readonly responseBytes: number
}

export class CallLog {
  readonly #log: Logger
  readonly #lines: LineBuffer | null

  constructor(log: Logger) {
    this.#log = log
    this.#lines = log.isLevelEnabled('info') ? linesOf(log) : null
  }

  write(record: CallRecord): void {
    if (record.code === 'internal') this.#log.error(record, 'call')
    else if (this.#lines !== null) this.#lines.write(lineOf(record, Date.now()))
    else this.#log.info(record, 'call')
  }
}

/** Of a number with two decimals, by hundredths: V8 takes as long for it as for the rest of the line. */
const FRACTIONS = Array.from({ length: 100 }, (_, index) => String(index / 100).slice(1))

/** The same line that pino makes of it. */
export function lineOf(record: CallRecord, timeMs: number): string {
  const { callId, method, path, subject, code } = record
  const hundredths = Math.round(record.durationMs * 100)
  const duration = `${Math.floor(hundredths / 100)}${FRACTIONS[hundredths % 100]}`
  return (
    `{"level":30,"time":${timeMs},"callId":"${callId}","method":${quoted(method)},"path":${quoted(path)}` +
    (record.function === undefined ? '' : `,"function":${quoted(record.function)}`) +
    (subject === undefined ? '' : `,"subject":${quoted(subject)}`) +
    `,"status":${record.status}` +
    (code === undefined ? '' : `,"code":"${code}"`) +
    `,"durationMs":${duration},"requestBytes":${record.requestBytes},"responseBytes":${record.responseBytes},"msg":"call"}\n`
  )
}

const PLAIN = /^[ !#-[\]-~]*$/

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}
