// How far a long load test is, on stderr: a bar where somebody watches, lines only where nobody does. One
// bar at a time; what else there is to say goes above it.

import { MultiBar, type SingleBar } from 'cli-progress'

const FORMAT = '{bar} {percentage}% | {label} | {duration_formatted} so far, {eta_formatted} to go'
const TICK_MS = 500

let bars: MultiBar | undefined

export interface Progress {
  /** What is being done now, and how much of the total is done. */
  at(done: number, label: string): void
  stop(): void
}

export function startProgress(total: number, label: string): Progress {
  if (!process.stderr.isTTY) return { at: () => {}, stop: () => {} }
  bars = new MultiBar({
    format: FORMAT,
    stream: process.stderr,
    hideCursor: true,
    autopadding: true,
    etaBuffer: 20,
    // Ctrl-C is ours: it stops the children first.
    gracefulExit: false,
  })
  const bar: SingleBar = bars.create(total, 0, { label })
  return {
    at: (done, next) => bar.update(done, { label: next }),
    stop: () => {
      bars?.stop()
      bars = undefined
    },
  }
}

/** While something goes on for so long; stops with it. */
export async function withProgress<T>(ms: number, label: string, work: () => Promise<T>) {
  const progress = startProgress(ms, label)
  const startMs = performance.now()
  const timer = setInterval(() => {
    progress.at(Math.min(ms, performance.now() - startMs), label)
  }, TICK_MS)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    progress.stop()
  }
}

export function tell(line: string): void {
  if (bars === undefined) console.error(line)
  else bars.log(`${line}\n`)
}
