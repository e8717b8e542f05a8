// What is asked of the client that does a bit of everything, and what it answers.

import type { Distribution } from './latency.js'
import type { Measurement } from './load.js'

export interface MixLoad {
  readonly origin: string
  readonly authorization: string
  readonly seconds: number
  /** Event streams open at once. */
  readonly streams: number
  /** WebSockets open at once. */
  readonly sockets: number
  readonly uploadsPerSecond: number
  readonly downloadsPerSecond: number
  readonly transferBytes: number
  readonly refusalsPerSecond: number
}

/** By kind of call. */
export type MixResult = Readonly<Record<string, KindResult>>

export interface KindResult extends Measurement {
  readonly latency: Distribution
}

export const TOKENS_A_STREAM = 20
export const TOKEN_INTERVAL_MS = 50
export const MESSAGE_INTERVAL_MS = 200
