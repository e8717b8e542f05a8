// What the numbers of a load test were taken on, in words.

import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { sum } from './statistics.js'

// Work of others takes its share of every number, of CPU time too, through caches and clocks.
const BUSY_SHARE = 0.25
const LOOK_MS = 200
export const TOO_BUSY = 'TOO BUSY TO MEASURE'

export function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? process.arch
  return `${availableParallelism()} cores (${model}), Node ${process.version}`
}

/** Of Callgate's source, of which this file is a part. */
export function commit(): string {
  const args = ['describe', '--always', '--exclude', '*', '--dirty= with changes']
  try {
    const options = { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' } as const
    return `commit ${execFileSync('git', args, options).trim()}`
  } catch {
    return 'commit unknown'
  }
}

/**
 * What others take of the machine, asked for before the load test adds its own. No load average, which
 * a load test that has just ended would fill for minutes.
 */
export async function othersLine(): Promise<string> {
  const before = cpuTimes()
  await delay(LOOK_MS)
  const after = cpuTimes()
  const share = (after.busyMs - before.busyMs) / (after.allMs - before.allMs)
  const isBusy = share > BUSY_SHARE
  return `CPU in use before: ${(share * 100).toFixed(0)}%${isBusy ? `, ${TOO_BUSY}` : ''}`
}

/** Of all cores, since the machine started. */
function cpuTimes(): { busyMs: number; allMs: number } {
  const times = cpus().map(({ times }) => times)
  const allMs = sum(times.flatMap((each) => Object.values(each)))
  return { busyMs: allMs - sum(times.map(({ idle }) => idle)), allMs }
}
