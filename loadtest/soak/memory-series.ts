// Memory of parts of the system over a whole run, in which processes come and go: looked at now and then,
// and told as the median of a time at the beginning and of one at the end.

import { setTimeout as delay } from 'node:timers/promises'
import { heldBytes } from '../memory-watch.js'
import { allEntries, familyOf } from '../process-usage.js'
import { median } from '../report/statistics.js'

const EVERY_MS = 2_000
/** Of a run: compilers, caches and pools are done after it. */
const WARMUP_SHARE = 0.1
const MOST_WARMUP_MS = 60_000
/** Of which the medians are told, or of a fifth of a short run. */
const WINDOW_MS = 60_000
const WINDOW_SHARE = 0.2

export interface MemorySource {
  readonly name: string
  /** With what these have started, at this moment. */
  readonly pids: () => readonly number[]
}

export interface MemoryTrend {
  readonly name: string
  readonly firstBytes: number
  readonly lastBytes: number
  readonly peakBytes: number
}

export class MemorySeries {
  readonly #sources: readonly MemorySource[]
  readonly #samples: { readonly ms: number; readonly bytes: readonly number[] }[] = []

  constructor(sources: readonly MemorySource[]) {
    this.#sources = sources
  }

  /** Resolves after the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const entries = await allEntries()
      const bytes = await Promise.all(
        this.#sources.map(({ pids }) =>
          heldBytes(pids().flatMap((pid) => familyOf(pid, entries).map((entry) => entry.pid))),
        ),
      )
      this.#samples.push({ ms: performance.now(), bytes })
      await delay(EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  get trends(): MemoryTrend[] {
    const startMs = this.#samples[0]?.ms ?? 0
    const endMs = this.#samples.at(-1)?.ms ?? 0
    const warmMs = startMs + Math.min(MOST_WARMUP_MS, (endMs - startMs) * WARMUP_SHARE)
    const windowMs = Math.min(WINDOW_MS, (endMs - startMs) * WINDOW_SHARE)
    return this.#sources.map(({ name }, index) => {
      const medianOf = (isIn: (ms: number) => boolean) =>
        median(this.#samples.filter(({ ms }) => isIn(ms)).map(({ bytes }) => bytes[index]!))
      return {
        name,
        firstBytes: medianOf((ms) => ms >= warmMs && ms <= warmMs + windowMs),
        lastBytes: medianOf((ms) => ms >= endMs - windowMs),
        peakBytes: Math.max(0, ...this.#samples.map(({ bytes }) => bytes[index]!)),
      }
    })
  }
}
