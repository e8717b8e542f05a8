// What is asked of those who move bodies, and what they answer.

import type { Measurement } from './load.js'

export const GIB = 1024 ** 3

/** Nothing has moved for so long: it will not move again. */
export const STALL_MS = 30_000

export interface BodiesLoad {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly direction: 'upload' | 'download'
  /** Of all streams together. */
  readonly bytes: number
  /** Bodies at once, of equal length. */
  readonly streams: number
  /** Whether the server answers with the SHA-256 of what it got. */
  readonly isHashed: boolean
}

/** Counts GiB. */
export interface BodiesResult extends Measurement {
  /** Of the client itself, without its start. */
  readonly cpuMs: number
}

/** Of the slowest machine that should still get an answer, and then some for its start. */
export function bodiesTimeoutMs(bytes: number): number {
  return 60_000 + bytes / 10_000
}
