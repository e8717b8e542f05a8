// A curve as it was measured, and the table and charts made of it. Pure.

import { formatErrors } from '../report/errors.js'
import type { Chart, Table } from '../report/result.js'
import type { GroupCost, Point } from './point.js'

export interface Curve {
  readonly name: string
  /** What grows. */
  readonly xLabel: string
  /** What is counted, in the singular and the plural. */
  readonly unit: string
  readonly units: string
  /** Of what p50 and p99 are told. */
  readonly latency: string
  readonly subjects: readonly { readonly name: string; readonly points: readonly Point[] }[]
}

export function tableOf(curve: Curve): Table {
  const { name, xLabel, unit, units, latency, subjects } = curve
  const isCompared = subjects.length > 1
  return {
    title: name,
    columns: [
      ...(isCompared ? ['subject'] : []),
      ...[xLabel, `${units}/s`, `${latency} p50 ms`, `${latency} p99 ms`],
      ...[`CPU µs per ${unit}`, 'cores in use', 'peak MiB', 'errors'],
    ],
    rows: subjects.flatMap((subject) =>
      subject.points.map(({ x, load, cpu }) => [
        ...(isCompared ? [subject.name] : []),
        x.toLocaleString('en'),
        Math.round(load.count / load.seconds).toLocaleString('en'),
        load.p50Ms.toFixed(2),
        load.p99Ms.toFixed(2),
        partsOf(cpu, ({ usPerUnit }) => usPerUnit.toFixed(1)),
        partsOf(cpu, ({ share }) => share.toFixed(2)),
        partsOf(cpu, ({ peakRssBytes }) => (peakRssBytes / 1024 ** 2).toFixed(0)),
        formatErrors(load.errors),
      ]),
    ),
  }
}

export function chartsOf(curve: Curve): Chart[] {
  const { name, xLabel, unit, units, latency, subjects } = curve
  const x = { label: xLabel, scale: 'log' } as const
  // A logarithm of nothing is none: a payload of 0 bytes is drawn where 1 would be.
  const points = (of: readonly Point[], y: (point: Point) => number) =>
    of.map((point) => [Math.max(1, point.x), y(point)] as const)
  const label = (subject: string, part: string) =>
    subjects.length > 1 ? (part === '' ? subject : `${subject}: ${part}`) : part || subject
  return [
    {
      title: `${name}: CPU time per ${unit}`,
      kind: 'line',
      x,
      y: { label: `µs per ${unit}`, scale: 'log' },
      series: subjects.flatMap((subject) =>
        (subject.points[0]?.cpu ?? []).map((group, index) => ({
          name: group.name,
          points: points(subject.points, ({ cpu }) => cpu[index]!.usPerUnit),
        })),
      ),
    },
    {
      title: `${name}: ${units} a second`,
      kind: 'line',
      x,
      y: { label: `${units}/s` },
      series: subjects.map((subject) => ({
        name: subject.name,
        points: points(subject.points, ({ load }) => load.count / load.seconds),
      })),
    },
    {
      title: `${name}: time of a ${latency}`,
      kind: 'line',
      x,
      y: { label: 'ms', scale: 'log' },
      series: subjects.flatMap((subject) => [
        { name: label(subject.name, 'p50'), points: points(subject.points, (it) => it.load.p50Ms) },
        { name: label(subject.name, 'p99'), points: points(subject.points, (it) => it.load.p99Ms) },
      ]),
    },
  ]
}

function partsOf(cpu: readonly GroupCost[], text: (cost: GroupCost) => string): string {
  if (cpu.length === 1) return text(cpu[0]!)
  return cpu.map((cost) => `${cost.name} ${text(cost)}`).join(' + ')
}
