// Clients that are in no hurry, beside the ones that are measured: what they are, and what they say in the end.

import type { Testbed } from '../testbed.js'

export interface NeighboursLoad {
  /** Answers with byte i = i mod 251. */
  readonly downloadUrl: string
  readonly downloadBytesPerSecond: number
  readonly uploadUrl: string
  /** Between two pieces. */
  readonly uploadStallSeconds: number
  readonly headers: Readonly<Record<string, string>>
}

export interface NeighboursResult {
  readonly downloadedBytes: number
  readonly seconds: number
  readonly errors: Readonly<Record<string, number>>
}

export interface Neighbours {
  /** Resolves when both are under way. */
  come(): Promise<void>
  go(): Promise<NeighboursResult>
}

/** In a process of their own, which ends with the load test. */
export async function startNeighbours(
  testbed: Testbed,
  program: readonly string[],
  load: NeighboursLoad,
): Promise<Neighbours> {
  const server = await testbed.startServer('neighbours', [...program, JSON.stringify(load)])
  const { url } = await server.line('listening', testbed.signal)
  const tell = async (what: string) => {
    const response = await fetch(`${url}/${what}`, { method: 'POST', signal: testbed.signal })
    if (!response.ok) throw new Error(`The neighbours did not ${what}: ${await response.text()}`)
    return response
  }
  return {
    come: async () => void (await (await tell('come')).text()),
    go: async () => (await (await tell('go')).json()) as NeighboursResult,
  }
}
