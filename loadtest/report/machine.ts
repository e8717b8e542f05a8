// What the numbers of a load test were taken on.

import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg } from 'node:os'

// Work of others takes its share of every number, of CPU time too, through caches and clocks.
const BUSY_LOAD_PER_CORE = 0.5

/** One line; asked for before the load test adds its own load. */
export function machineLine(): string {
  const loadBefore = loadavg()[0] ?? 0
  const cores = availableParallelism()
  const model = cpus()[0]?.model.trim() ?? process.arch
  const isBusy = loadBefore / cores > BUSY_LOAD_PER_CORE
  return (
    `${cores} cores (${model}), Node ${process.version}, ${sourceLine()}, ` +
    `load average before: ${loadBefore.toFixed(1)}${isBusy ? ', TOO BUSY TO MEASURE' : ''}`
  )
}

/** Of Callgate's own source. */
function sourceLine(): string {
  const args = ['describe', '--always', '--exclude', '*', '--dirty= with changes']
  try {
    const options = { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' } as const
    return `commit ${execFileSync('git', args, options).trim()}`
  } catch {
    return 'commit unknown'
  }
}
