// So many clients, each of which sends its next call when the last was answered.

import type { HttpClient } from './http-client.js'

const PATIENCE_MS = 10_000

export interface ClosedLoop {
  readonly clients: number
  readonly seconds: number
  /** Of POSTs, in turn. */
  readonly paths: readonly string[]
  readonly body: string
  /** What every answer must have. */
  readonly status: number
  readonly signal: AbortSignal
}

export interface ClosedLoopResult {
  /** Answered as they must be. */
  readonly calls: number
  /** How the others ended. */
  readonly errors: Readonly<Record<string, number>>
}

export async function runClosedLoop(
  client: HttpClient,
  { clients, seconds, paths, body, status, signal }: ClosedLoop,
): Promise<ClosedLoopResult> {
  const errors: Record<string, number> = {}
  const endMs = performance.now() + seconds * 1000
  let calls = 0
  let next = 0
  const callOn = async () => {
    while (performance.now() < endMs && !signal.aborted) {
      const path = paths[next++ % paths.length]!
      const end = await client.call({ method: 'POST', path, body, patienceMs: PATIENCE_MS })
      const how = end.how === 'answered' ? String(end.answer.status) : end.how
      if (how === String(status)) calls += 1
      else errors[how] = (errors[how] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: clients }, callOn))
  signal.throwIfAborted()
  return { calls, errors }
}
