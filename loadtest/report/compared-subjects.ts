// Subjects that were given the same load, and what that cost: medians over the measured rounds, and errors
// summed over all rounds, the warm-up included. Pure.

import { type ProcessCost, type Round, sumErrors } from '../rounds.js'
import { formatErrors, mergeErrors } from './errors.js'
import { latencyChart, throughputChart } from './load-charts.js'
import type { Chart, Findings, Table } from './result.js'
import { median, sum } from './statistics.js'

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

/** All that a scenario tells whose subjects have the same load, but its words. */
export function comparison(
  subjects: readonly SubjectReport[],
  terms: Terms,
  ratios: readonly Ratio[],
): Omit<Findings, 'title' | 'notes' | 'targets'> {
  const tables = [subjectsTable(subjects, terms)]
  if (ratios.length > 0) tables.push(ratiosTable(ratios))
  return {
    headline: headline(subjects[0]!, terms, ratios),
    tables,
    charts: [
      latencyChart(terms.latency ?? `time of a ${terms.unit}`, subjects),
      throughputChart(terms.units, subjects),
      cpuChart(subjects, terms),
    ],
    errors: mergeErrors(subjects.map(({ errors }) => errors)),
    data: { subjects },
  }
}

function headline(first: SubjectReport, terms: Terms, ratios: readonly Ratio[]): string {
  const latency = terms.latency === undefined ? '' : `${terms.latency} `
  return [
    `${first.name} ${Math.round(first.perSecond).toLocaleString('en')} ${terms.units}/s`,
    `${latency}p50 ${first.p50Ms.toFixed(2)} ms, p99 ${first.p99Ms.toFixed(2)} ms`,
    `${cpuUsPerUnit(first).toFixed(1)} µs of CPU time per ${terms.unit}`,
    ...ratios.map(({ name, value }) => `${name} = ${value.toFixed(2)}`),
  ].join('; ')
}

export function subjectsTable(subjects: readonly SubjectReport[], terms: Terms): Table {
  const latency = terms.latency === undefined ? '' : `${terms.latency} `
  return {
    columns: [
      'subject',
      `${terms.units}/s`,
      `${latency}p50 ms`,
      `${latency}p99 ms`,
      terms.errors,
      `CPU µs per ${terms.unit}`,
      'peak MiB',
    ],
    rows: subjects.map((subject) => [
      subject.name,
      Math.round(subject.perSecond).toLocaleString('en'),
      subject.p50Ms.toFixed(2),
      subject.p99Ms.toFixed(2),
      formatErrors(subject.errors),
      formatCpu(subject),
      (subject.peakRssBytes / 1024 ** 2).toFixed(0),
    ]),
  }
}

function cpuChart(subjects: readonly SubjectReport[], { unit }: Terms): Chart {
  const processes = new Set(subjects.flatMap(({ cpu }) => cpu.map(({ process }) => process)))
  const costOf = (process: string) =>
    subjects.flatMap(({ cpu }, index) => {
      const cost = cpu.find((it) => it.process === process)
      return cost === undefined ? [] : [[index, cost.usPerUnit] as const]
    })
  return {
    title: `CPU time per ${unit}`,
    kind: 'bar',
    x: { label: '', categories: subjects.map(({ name }) => name) },
    y: { label: `µs per ${unit}` },
    series: [...processes].map((name) => ({ name, points: costOf(name) })),
  }
}

function ratiosTable(ratios: readonly Ratio[]): Table {
  return {
    columns: ['ratio', 'value'],
    rows: ratios.map(({ name, value }) => [name, value.toFixed(2)]),
  }
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

function formatCpu(subject: SubjectReport): string {
  // What was spent on nothing is no cost of one.
  if (subject.perSecond === 0) return '-'
  const total = cpuUsPerUnit(subject).toFixed(1)
  if (subject.cpu.length === 1) return total
  const parts = subject.cpu.map((cost) => `${cost.process} ${cost.usPerUnit.toFixed(1)}`)
  return `${parts.join(' + ')} = ${total}`
}
