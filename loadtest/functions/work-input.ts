// What the clients of `work` and `record` ask of them; the answer repeats it.

export interface WorkInput {
  /** The client's own, never given twice. */
  readonly id: string
  readonly ms: number
}

export const WORK_TIMEOUT_MS = 20_000
