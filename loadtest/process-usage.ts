// What a process has used since its start, together with the processes that it has started and that
// still run (`callgate runner` has one for each function): CPU time, and the most memory held. Linux
// tells both in /proc, in steps of 10 ms, which is 0.1 % of a round of 8 s; elsewhere ps tells the
// CPU time, and of the memory only that of the moment.

import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface ProcessUsage {
  /** User and system time of all threads. */
  readonly cpuMs: number
  readonly peakRssBytes: number
}

export interface ProcessEntry extends ProcessUsage {
  readonly pid: number
  readonly parentPid: number
}

export async function processUsage(pid: number): Promise<ProcessUsage> {
  const family = familyOf(pid, await allEntries())
  return {
    cpuMs: family.reduce((total, entry) => total + entry.cpuMs, 0),
    peakRssBytes: family.reduce((total, entry) => total + entry.peakRssBytes, 0),
  }
}

/** The ids of the process and of all that descend from it. */
export async function processFamily(pid: number): Promise<number[]> {
  return familyOf(pid, await allEntries()).map((entry) => entry.pid)
}

/** The process and all that descend from it. */
export function familyOf(pid: number, entries: readonly ProcessEntry[]): readonly ProcessEntry[] {
  const self = entries.filter((entry) => entry.pid === pid)
  const children = entries.filter((entry) => entry.parentPid === pid)
  return [...self, ...children.flatMap((child) => familyOf(child.pid, entries))]
}

/** @param stat proc(5), /proc/pid/stat; @param status proc(5), /proc/pid/status */
export function entryInProc(stat: string, status: string, ticksPerSecond: number): ProcessEntry {
  // The second field is the program's name in parentheses, which may itself hold ") " and spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [parentPid, userTicks, systemTicks] = [1, 11, 12].map((index) => Number(fields[index]))
  const rss = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? /^VmRSS:\s+(\d+) kB$/m.exec(status)
  return {
    pid: Number.parseInt(stat, 10),
    parentPid: parentPid!,
    cpuMs: ((userTicks! + systemTicks!) * 1000) / ticksPerSecond,
    peakRssBytes: Number(rss?.[1] ?? 0) * 1024,
  }
}

/** @param line pid, parent's pid, `[[days-]hours:]minutes:seconds[.hundredths]` and KiB */
export function entryInPs(line: string): ProcessEntry {
  const fields = /^\s*(\d+)\s+(\d+)\s+(?:(\d+)-)?(?:(\d+):)?(\d+):([\d.]+)\s+(\d+)\s*$/.exec(line)
  if (!fields) throw new Error(`ps answered "${line.trim()}", which is no process.`)
  const [pid, parentPid, days, hours, minutes, seconds, kibibytes] = fields
    .slice(1)
    .map((text) => Number(text ?? 0))
  const cpuSeconds = ((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!
  const [cpuMs, peakRssBytes] = [cpuSeconds * 1000, kibibytes! * 1024]
  return { pid: pid!, parentPid: parentPid!, cpuMs, peakRssBytes }
}

/** Of all processes of this machine. */
export function allEntries(): Promise<ProcessEntry[]> {
  return process.platform === 'linux' ? entriesInProc() : entriesInPs()
}

async function entriesInProc(): Promise<ProcessEntry[]> {
  const ticks = await ticksPerSecond()
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const entries = await Promise.all(
    pids.map(async (pid) => {
      try {
        const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
        return [entryInProc(stat, await readFile(`/proc/${pid}/status`, 'utf8'), ticks)]
      } catch {
        // It has ended since the directory was read.
        return []
      }
    }),
  )
  return entries.flat()
}

async function entriesInPs(): Promise<ProcessEntry[]> {
  const lines = (await run('ps', ['-A', '-o', 'pid=,ppid=,time=,rss='])).trim().split('\n')
  return lines.map(entryInPs)
}

let ticks: Promise<number> | undefined

function ticksPerSecond(): Promise<number> {
  ticks ??= run('getconf', ['CLK_TCK']).then(Number)
  return ticks
}

async function run(command: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command, args)).stdout
}
