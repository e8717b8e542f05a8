// How many files and sockets a process of this user may have open.

import { readFile } from 'node:fs/promises'

// A process has more open than the sockets of its clients: its own connections, its log, what it loads.
const OTHERS = 200

/** Sockets that one process can hold; Infinity where there is no limit, or none that could be read. */
export async function mostSockets(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  return mostSocketsWithin(limits)
}

/** @param limits proc(5), /proc/pid/limits. The hard limit counts: Node raises its own to it. */
export function mostSocketsWithin(limits: string): number {
  const hard = /^Max open files +\S+ +(\d+)/m.exec(limits)?.[1]
  return hard === undefined ? Number.POSITIVE_INFINITY : Math.max(0, Number(hard) - OTHERS)
}
