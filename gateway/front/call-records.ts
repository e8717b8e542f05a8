// Where every call leaves its record when it has ended: the metrics count it, the log gets its line.

import type { Logger } from 'pino'
import type { CallRecord, SocketRecord } from '../call-record.js'
import type { CallMetrics } from '../metrics/call-metrics.js'
import { CallLog } from './call-log.js'

export class CallRecords {
  readonly #log: CallLog
  readonly #metrics: CallMetrics

  constructor(log: Logger, metrics: CallMetrics) {
    this.#log = new CallLog(log)
    this.#metrics = metrics
  }

  add(record: CallRecord): void {
    this.#metrics.onCall(record)
    this.#log.write(record)
  }

  onSocketOpened(functionName: string): void {
    this.#metrics.onSocketOpened(functionName)
  }

  addSocket(record: SocketRecord): void {
    this.#metrics.onSocket(record)
    this.#log.writeSocket(record)
  }
}
