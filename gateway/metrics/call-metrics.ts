// Adds up the calls that have ended, by function. Everything else that is worth a metric can be looked at when
// somebody asks (`definitions.ts`); this is what would be gone by then.

import type { CallRecord, SocketRecord } from '../call-record.js'
import { Histogram } from './histogram.js'

/** In milliseconds: from a model that is warm to one that thinks for minutes. */
const DURATION_BOUNDS_MS = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
]

/** Of requests for which none was found. */
const NO_FUNCTION = ''

export class FunctionMetrics {
  /** Of HTTP calls that went well. */
  readonly durationMs = new Histogram(DURATION_BOUNDS_MS)
  /** To the first byte of the answer, also where what followed went wrong. */
  readonly firstByteMs = new Histogram(DURATION_BOUNDS_MS)
  readonly responses = new ResponseCounts()
  readonly sockets = new ResponseCounts()
  requestBytes = 0
  responseBytes = 0
  openSockets = 0
}

/** How often an answer had which status, and which code of an error ('': none). */
export class ResponseCounts {
  readonly #counts = new Map<number, Map<string, number>>()

  add(status: number, code: string): void {
    let byCode = this.#counts.get(status)
    if (byCode === undefined) {
      byCode = new Map()
      this.#counts.set(status, byCode)
    }
    byCode.set(code, (byCode.get(code) ?? 0) + 1)
  }

  *entries(): Iterable<{ status: number; code: string; count: number }> {
    for (const [status, byCode] of this.#counts) {
      for (const [code, count] of byCode) yield { status, code, count }
    }
  }
}

export class CallMetrics {
  readonly #byFunction = new Map<string, FunctionMetrics>()

  get byFunction(): ReadonlyMap<string, FunctionMetrics> {
    return this.#byFunction
  }

  onCall(record: CallRecord): void {
    const metrics = this.#of(record.function)
    const { status, code, durationMs, firstByteMs } = record
    metrics.responses.add(status, code ?? '')
    metrics.requestBytes += record.requestBytes
    metrics.responseBytes += record.responseBytes
    if (code === undefined) metrics.durationMs.observe(durationMs)
    if (firstByteMs !== undefined) metrics.firstByteMs.observe(firstByteMs)
    else if (code === undefined) metrics.firstByteMs.observe(durationMs)
  }

  onSocketOpened(functionName: string): void {
    this.#of(functionName).openSockets++
  }

  /** One that was refused was never opened. */
  onSocket({ function: functionName, status, code }: SocketRecord): void {
    const metrics = this.#of(functionName)
    metrics.sockets.add(status, code ?? '')
    if (status === 101) metrics.openSockets--
  }

  #of(functionName = NO_FUNCTION): FunctionMetrics {
    let metrics = this.#byFunction.get(functionName)
    if (metrics === undefined) {
      metrics = new FunctionMetrics()
      this.#byFunction.set(functionName, metrics)
    }
    return metrics
  }
}
