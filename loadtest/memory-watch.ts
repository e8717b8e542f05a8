// The memory that processes hold while something happens, every 100 ms, and not what they have held
// at some time since their start, which is all that the kernel would tell of peaks. Each with the
// processes that it had started when the watch began.

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { processFamily } from './process-usage.js'
import type { SubjectProcess } from './subjects/subject.js'

const SAMPLE_MS = 100

export interface MemoryHeld {
  readonly process: string
  readonly startBytes: number
  readonly peakBytes: number
  readonly endBytes: number
}

export async function watchMemory<T>(
  processes: readonly SubjectProcess[],
  work: () => Promise<T>,
): Promise<{ result: T; memory: readonly MemoryHeld[] }> {
  const families = await Promise.all(processes.map(({ pid }) => processFamily(pid)))
  const samples = processes.map((): number[] => [])
  const sample = async () => {
    const sums = await Promise.all(families.map(heldBytes))
    for (const [index, bytes] of sums.entries()) samples[index]!.push(bytes)
  }
  await sample()
  const end = new AbortController()
  const watching = (async () => {
    while (!end.signal.aborted) {
      await delay(SAMPLE_MS, undefined, { signal: end.signal }).catch(() => {})
      await sample()
    }
  })()
  try {
    const result = await work()
    end.abort()
    await watching
    return { result, memory: processes.map(({ name }, index) => held(name, samples[index]!)) }
  } finally {
    end.abort()
    await watching
  }
}

function held(process: string, samples: readonly number[]): MemoryHeld {
  const peakBytes = Math.max(...samples)
  return { process, startBytes: samples[0]!, peakBytes, endBytes: samples.at(-1)! }
}

/** Of several processes together; one that has ended holds nothing. */
export async function heldBytes(pids: readonly number[]): Promise<number> {
  const each = process.platform === 'linux' ? pids.map(rssInProc) : [rssInPs(pids)]
  return (await Promise.all(each)).reduce((total, bytes) => total + bytes, 0)
}

async function rssInProc(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

async function rssInPs(pids: readonly number[]): Promise<number> {
  const args = ['-o', 'rss=', '-p', pids.join(',')]
  const { stdout } = await promisify(execFile)('ps', args).catch(() => ({ stdout: '' }))
  return stdout.split('\n').reduce((total, line) => total + Number(line) * 1024, 0)
}
