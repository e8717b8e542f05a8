// The numbers of a load test, and the table made of them: medians over the measured rounds, and
// errors summed over all rounds, the warm-up included. Pure.

import type { ProcessCost, Round } from './rounds.js'

export interface Report {
  /** What was measured, how and where. */
  readonly header: string
  readonly subjects: readonly SubjectReport[]
  readonly ratios: readonly Ratio[]
  readonly notes: readonly string[]
}

export interface SubjectReport {
  readonly name: string
  readonly callsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: Readonly<Record<string, number>>
  readonly cpu: readonly { readonly process: string; readonly usPerCall: number }[]
  readonly peakRssBytes: number
  readonly rounds: readonly Round[]
}

export interface Ratio {
  readonly name: string
  readonly value: number
}

export function subjectReport(name: string, rounds: readonly Round[]): SubjectReport {
  const measured = rounds.filter((round) => !round.isWarmup)
  const medianOf = (value: (round: Round) => number) => median(measured.map(value))
  const costOf = (round: Round, process: string) =>
    round.processes.find((cost) => cost.name === process)?.cpuUsPerCall ?? 0
  const processes = measured[0]?.processes.map((cost) => cost.name) ?? []
  return {
    name,
    callsPerSecond: medianOf(({ load }) => load.calls / load.seconds),
    p50Ms: medianOf(({ load }) => load.p50Ms),
    p99Ms: medianOf(({ load }) => load.p99Ms),
    errors: sumErrors(rounds),
    cpu: processes.map((process) => ({
      process,
      usPerCall: medianOf((round) => costOf(round, process)),
    })),
    peakRssBytes: sum(
      (rounds.at(-1)?.processes ?? []).map((cost: ProcessCost) => cost.peakRssBytes),
    ),
    rounds,
  }
}

/** CPU time of all processes of a subject for one call. */
export function cpuUsPerCall(subject: SubjectReport): number {
  return sum(subject.cpu.map((cost) => cost.usPerCall))
}

export function errorCount(report: Report): number {
  return sum(report.subjects.flatMap((subject) => Object.values(subject.errors)))
}

export function formatReport({ header, subjects, ratios, notes }: Report): string {
  const columns = [
    'subject',
    'calls/s',
    'p50 ms',
    'p99 ms',
    'errors',
    'CPU µs per call',
    'peak MiB',
  ]
  const rows = subjects.map((subject) => [
    subject.name,
    Math.round(subject.callsPerSecond).toLocaleString('en'),
    subject.p50Ms.toFixed(2),
    subject.p99Ms.toFixed(2),
    formatErrors(subject.errors),
    formatCpu(subject),
    (subject.peakRssBytes / 1024 ** 2).toFixed(0),
  ])
  const paragraphs = [
    [header],
    formatTable(columns, rows),
    ratios.map(({ name, value }) => `${name} = ${value.toFixed(2)}`),
    notes,
  ]
  const filled = paragraphs.filter((lines) => lines.length > 0)
  return filled.map((lines) => lines.join('\n')).join('\n\n')
}

function formatErrors(errors: SubjectReport['errors']): string {
  const counted = Object.entries(errors).filter(([, count]) => count > 0)
  return counted.map(([kind, count]) => `${count} ${kind}`).join(', ') || '0'
}

function formatCpu(subject: SubjectReport): string {
  const total = cpuUsPerCall(subject).toFixed(1)
  if (subject.cpu.length === 1) return total
  const parts = subject.cpu.map((cost) => `${cost.process} ${cost.usPerCall.toFixed(1)}`)
  return `${parts.join(' + ')} = ${total}`
}

function formatTable(columns: readonly string[], rows: readonly string[][]): string[] {
  const widths = columns.map((column, index) =>
    Math.max(...[column, ...rows.map((row) => row[index]!)].map((cell) => cell.length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index]!)).join(' | ')} |`
  const rule = line(widths.map((width) => '-'.repeat(width)))
  return [line(columns), rule, ...rows.map(line)]
}

function sumErrors(rounds: readonly Round[]): Record<string, number> {
  const errors: Record<string, number> = {}
  for (const [kind, count] of rounds.flatMap(({ load }) => Object.entries(load.errors))) {
    errors[kind] = (errors[kind] ?? 0) + count
  }
  return errors
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}
