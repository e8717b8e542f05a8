// The numbers of a load test, and the table made of them: medians over the measured rounds, and
// errors summed over all rounds, the warm-up included. Pure.

import type { Measurement } from './generators/load.js'
import type { ProcessCost, Round } from './rounds.js'
import { formatTable, joinParagraphs } from './table.js'

export interface Report {
  /** What was measured, how and where. */
  readonly header: string
  readonly terms: Terms
  readonly subjects: readonly SubjectReport[]
  readonly ratios: readonly Ratio[]
  readonly notes: readonly string[]
}

/** What a scenario calls its figures. */
export interface Terms {
  readonly unit: string
  readonly units: string
  /** Of what p50 and p99 are told, if that is not a unit's whole time. */
  readonly latency?: string
  readonly errors: string
}

export interface SubjectReport {
  readonly name: string
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: Readonly<Record<string, number>>
  readonly cpu: readonly { readonly process: string; readonly usPerUnit: number }[]
  readonly peakRssBytes: number
  readonly rounds: readonly Round[]
}

type WithErrors = Pick<Measurement, 'errors'>

export interface Ratio {
  readonly name: string
  readonly value: number
}

export function subjectReport(name: string, rounds: readonly Round[]): SubjectReport {
  const measured = rounds.filter((round) => !round.isWarmup)
  const medianOf = (value: (round: Round) => number) => median(measured.map(value))
  const costOf = (round: Round, process: string) =>
    round.processes.find((cost) => cost.name === process)?.cpuUsPerUnit ?? 0
  const processes = measured[0]?.processes.map((cost) => cost.name) ?? []
  return {
    name,
    perSecond: medianOf(({ load }) => load.count / load.seconds),
    p50Ms: medianOf(({ load }) => load.p50Ms),
    p99Ms: medianOf(({ load }) => load.p99Ms),
    errors: sumErrors(rounds),
    cpu: processes.map((process) => ({
      process,
      usPerUnit: medianOf((round) => costOf(round, process)),
    })),
    peakRssBytes: sum(
      (rounds.at(-1)?.processes ?? []).map((cost: ProcessCost) => cost.peakRssBytes),
    ),
    rounds,
  }
}

/** CPU time of all processes of a subject for one unit. */
export function cpuUsPerUnit(subject: SubjectReport): number {
  return sum(subject.cpu.map((cost) => cost.usPerUnit))
}

export function errorCount(report: { readonly subjects: readonly WithErrors[] }): number {
  return sum(report.subjects.flatMap((subject) => Object.values(subject.errors)))
}

export function formatReport({ header, terms, subjects, ratios, notes }: Report): string {
  const latency = terms.latency === undefined ? '' : `${terms.latency} `
  const columns = [
    'subject',
    `${terms.units}/s`,
    `${latency}p50 ms`,
    `${latency}p99 ms`,
    terms.errors,
    `CPU µs per ${terms.unit}`,
    'peak MiB',
  ]
  const rows = subjects.map((subject) => [
    subject.name,
    Math.round(subject.perSecond).toLocaleString('en'),
    subject.p50Ms.toFixed(2),
    subject.p99Ms.toFixed(2),
    formatErrors(subject.errors),
    formatCpu(subject),
    (subject.peakRssBytes / 1024 ** 2).toFixed(0),
  ])
  return joinParagraphs([
    [header],
    formatTable(columns, rows),
    ratios.map(({ name, value }) => `${name} = ${value.toFixed(2)}`),
    notes,
  ])
}

/** How much faster one is than the other, and how much more CPU time it takes. */
export function ratiosBetween(
  reports: readonly SubjectReport[],
  name: string,
  otherName: string,
  { unit, units }: Terms,
): Ratio[] {
  const one = reports.find((report) => report.name === name)
  const other = reports.find((report) => report.name === otherName)
  if (!one || !other) return []
  return [
    {
      name: `${name} ${units}/s ÷ ${otherName} ${units}/s`,
      value: one.perSecond / other.perSecond,
    },
    {
      name: `${name} CPU per ${unit} ÷ ${otherName} CPU per ${unit}`,
      value: cpuUsPerUnit(one) / cpuUsPerUnit(other),
    },
  ]
}

/** What went wrong, with how often; 0 if nothing. */
export function formatErrors(errors: Measurement['errors']): string {
  const counted = Object.entries(errors).filter(([, count]) => count > 0)
  return counted.map(([kind, count]) => `${count} ${kind}`).join(', ') || '0'
}

function formatCpu(subject: SubjectReport): string {
  const total = cpuUsPerUnit(subject).toFixed(1)
  if (subject.cpu.length === 1) return total
  const parts = subject.cpu.map((cost) => `${cost.process} ${cost.usPerUnit.toFixed(1)}`)
  return `${parts.join(' + ')} = ${total}`
}

export function sumErrors(rounds: readonly Round<Measurement>[]): Record<string, number> {
  const errors: Record<string, number> = {}
  for (const [kind, count] of rounds.flatMap(({ load }) => Object.entries(load.errors))) {
    errors[kind] = (errors[kind] ?? 0) + count
  }
  return errors
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}
