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
    clearOnComplete: true,
    formatTime: timeText,
    // Ctrl-C is ours: it stops the children first.
    gracefulExit: false,
  })
  const bar: SingleBar = bars.create(total, 0, { label })
  return {
    at: (done, next) => bar.update(done, { label: next }),
    stop: () => {
      // What was told last is still to be written.
      bars?.update()
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

/** What is left is no number before the first step is done. */
function timeText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const text = String(Math.round(seconds) % 60).padStart(2, '0')
  return `${Math.floor(Math.round(seconds) / 60)}:${text}`
}
