// One point of a curve: a load on a system that is up, what came of it and what it cost.

import type { LoadResult } from '../generators/load.js'
import { processUsage } from '../process-usage.js'

/** Processes whose cost is told as one. */
export interface ProcessGroup {
  readonly name: string
  readonly pids: readonly number[]
}

export interface Point {
  readonly x: number
  readonly load: LoadResult
  readonly cpu: readonly GroupCost[]
}

export interface GroupCost {
  readonly name: string
  readonly usPerUnit: number
  /** Of one core; more than 1 for a group that has several. */
  readonly share: number
  /** Of all together, each at its highest since its start. */
  readonly peakRssBytes: number
}

export async function measurePoint(
  x: number,
  groups: readonly ProcessGroup[],
  generate: () => Promise<LoadResult>,
): Promise<Point> {
  const before = await usageOf(groups)
  const load = await generate()
  const after = await usageOf(groups)
  const cpu = groups.map(({ name }, index): GroupCost => {
    const cpuMs = after[index]!.cpuMs - before[index]!.cpuMs
    return {
      name,
      usPerUnit: load.count === 0 ? 0 : (cpuMs * 1000) / load.count,
      share: cpuMs / 1000 / load.seconds,
      peakRssBytes: after[index]!.peakRssBytes,
    }
  })
  return { x, load, cpu }
}

function usageOf(groups: readonly ProcessGroup[]) {
  return Promise.all(
    groups.map(async ({ pids }) => {
      const usages = await Promise.all(pids.map(processUsage))
      return {
        cpuMs: usages.reduce((total, usage) => total + usage.cpuMs, 0),
        peakRssBytes: usages.reduce((total, usage) => total + usage.peakRssBytes, 0),
      }
    }),
  )
}
