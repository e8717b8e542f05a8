/** Far enough from each other, and from what a busy machine adds. */
export const STALL_CLOCKS_MS = { firstByteMs: 1_500, idleMs: 1_500, timeoutMs: 4_000 }

export interface StallInput {
  /** The code of the clock that is to end the call. */
  readonly clock: 'first_byte_timed_out' | 'idle_timed_out' | 'timed_out'
}
