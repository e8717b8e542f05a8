// Small calls, without and with neighbours: one client that reads a huge answer slowly, and one that stalls in
// the middle of its upload. Asks whether those who are slow make others wait: they must not.

import { join } from 'node:path'
import { Command } from 'commander'
import { addCommonOptions, type CommonOptions, positiveInteger } from '../common-options.js'
import { autocannonGenerator } from '../generators/autocannon.js'
import type { Load, LoadResult, Measurement } from '../generators/load.js'
import { startNeighbours } from '../generators/neighbours.js'
import { watchMemory } from '../memory-watch.js'
import { formatErrors, mergeErrors } from '../report/errors.js'
import { latencyChart, throughputChart } from '../report/load-charts.js'
import type { Findings, Table } from '../report/result.js'
import { median } from '../report/statistics.js'
import { alternate, type Round, sumErrors } from '../rounds.js'
import { runScenario } from '../run-scenario.js'
import { setStage } from '../stage.js'
import { startCallgate } from '../subjects/callgate.js'
import type { Subject } from '../subjects/subject.js'
import type { Testbed } from '../testbed.js'

const BODY = '{"message":"hello","n":1}'
const WARMUP_SECONDS = 2
const DOWNLOAD_BYTES_PER_SECOND = 100_000

/** The same Callgate, one after the other. */
const PHASES = ['alone', 'neighbours'] as const

interface NeighboursOptions extends CommonOptions {
  readonly connections: number
  readonly duration: number
  readonly stallSeconds: number
}

type MeasuredCalls = LoadResult & {
  readonly gatewayPeakBytes: number
  /** Of the slow client. */
  readonly downloadBytesPerSecond: number | undefined
}

interface PhaseReport {
  readonly name: string
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** To the p99 without neighbours, if that was measured. */
  readonly p99Ratio: number | undefined
  readonly errors: Measurement['errors']
  readonly gatewayPeakBytes: number
  readonly downloadBytesPerSecond: number | undefined
  readonly rounds: readonly Round<MeasuredCalls>[]
}

/** @param signal ends the load test early */
export function neighboursCommand(signal: AbortSignal): Command {
  const command = new Command('neighbours')
    .description('small calls beside a slow download and an upload that stalls')
    .option('--connections <n>', 'connections held open', positiveInteger, 64)
    .option('--duration <seconds>', 'length of a round', positiveInteger, 60)
    .option('--stall-seconds <n>', 'of the upload that stalls', positiveInteger, 30)
  return addCommonOptions(command, PHASES, 3).action(async (options: NeighboursOptions) => {
    await runScenario(signal, 'neighbours', options, (testbed) => runNeighbours(testbed, options))
  })
}

async function runNeighbours(testbed: Testbed, options: NeighboursOptions): Promise<Findings> {
  const { connections, duration, stallSeconds, rounds, only = PHASES } = options
  const stage = await setStage(
    testbed,
    { callgate: startCallgate },
    ['echo', 'download', 'digest'],
    { ...options, only: ['callgate'] },
  )
  const callgate = stage.subjects[0]!
  const gateway = callgate.processes.filter(({ name }) => name === 'gateway')
  const { authorization } = stage
  const headers = { 'content-type': 'application/json', authorization }
  const url = new URL('/echo', callgate.origin).href
  const program = join(import.meta.dirname, '..', 'generators', 'neighbours-process.js')
  const neighbours = await startNeighbours(testbed, [process.execPath, program], {
    downloadUrl: new URL('/download', callgate.origin).href,
    downloadBytesPerSecond: DOWNLOAD_BYTES_PER_SECOND,
    uploadUrl: new URL('/digest', callgate.origin).href,
    uploadStallSeconds: stallSeconds,
    headers: { authorization },
  })

  const phases = only.map((name): Subject => ({ ...callgate, name }))
  const results = await alternate<Subject, MeasuredCalls>(testbed, phases, {
    rounds,
    unit: 'calls',
    check: () => checkAnswers(callgate, headers),
    generate: async ({ name }, isWarmup) => {
      const seconds = isWarmup ? Math.min(WARMUP_SECONDS, duration) : duration
      const load: Load = { url, headers, body: BODY, connections, pipelining: 1, seconds }
      const hasNeighbours = name === 'neighbours'
      if (hasNeighbours) await neighbours.come()
      const { result, memory } = await watchMemory(gateway, () =>
        autocannonGenerator(testbed, load),
      )
      const gone = hasNeighbours ? await neighbours.go() : undefined
      return {
        ...result,
        errors: { ...result.errors, ...gone?.errors },
        gatewayPeakBytes: memory[0]!.peakBytes,
        downloadBytesPerSecond: gone && gone.downloadedBytes / gone.seconds,
      }
    },
  })
  const reports = reportsOf(results)
  return {
    title:
      `small calls beside slow clients: ${connections} connections, ${duration} s a round, ` +
      `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`,
    tables: [phasesTable(reports)],
    charts: [latencyChart('time of a call', reports), throughputChart('calls', reports)],
    targets: [],
    notes: NOTES,
    errors: mergeErrors(reports.map(({ errors }) => errors)),
    data: { subjects: reports },
  }
}

async function checkAnswers(
  { name, origin }: Subject,
  headers: Record<string, string>,
): Promise<void> {
  const asks: [path: string, body: string | null][] = [
    ['/echo', BODY],
    ['/digest', BODY],
    ['/download?bytes=1', null],
  ]
  for (const [path, body] of asks) {
    const response = await fetch(new URL(path, origin), {
      method: body === null ? 'GET' : 'POST',
      headers: { ...headers, connection: 'close' },
      body,
      signal: AbortSignal.timeout(5_000),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${name} answered ${path} with ${response.status}: ${text}`)
  }
}

function reportsOf(results: ReadonlyMap<string, readonly Round<MeasuredCalls>[]>): PhaseReport[] {
  const p99Of = (rounds: readonly Round<MeasuredCalls>[]) => medianOf(rounds, (it) => it.p99Ms)
  const alone = results.get('alone')
  return [...results].map(([name, rounds]) => {
    const measured = rounds.filter((round) => !round.isWarmup)
    return {
      name,
      perSecond: medianOf(rounds, (it) => it.count / it.seconds),
      p50Ms: medianOf(rounds, (it) => it.p50Ms),
      p99Ms: p99Of(rounds),
      p99Ratio: alone && p99Of(rounds) / p99Of(alone),
      errors: sumErrors(rounds),
      gatewayPeakBytes: Math.max(...measured.map(({ load }) => load.gatewayPeakBytes)),
      downloadBytesPerSecond:
        name === 'alone' ? undefined : medianOf(rounds, (it) => it.downloadBytesPerSecond!),
      rounds,
    }
  })
}

function medianOf(
  rounds: readonly Round<MeasuredCalls>[],
  value: (load: MeasuredCalls) => number,
): number {
  return median(rounds.filter((round) => !round.isWarmup).map(({ load }) => value(load)))
}

function phasesTable(reports: readonly PhaseReport[]): Table {
  const columns = [
    'subject',
    'calls/s',
    'p50 ms',
    'p99 ms',
    'ratio of p99',
    'errors',
    'peak MiB gateway',
    'download kB/s',
  ]
  const rows = reports.map((phase) => [
    phase.name,
    Math.round(phase.perSecond).toLocaleString('en'),
    phase.p50Ms.toFixed(2),
    phase.p99Ms.toFixed(2),
    phase.p99Ratio?.toFixed(2) ?? '-',
    formatErrors(phase.errors),
    (phase.gatewayPeakBytes / 1024 ** 2).toFixed(0),
    phase.downloadBytesPerSecond === undefined
      ? '-'
      : (phase.downloadBytesPerSecond / 1000).toFixed(0),
  ])
  return { columns, rows }
}

const NOTES = [
  'The neighbours: one client reads /download?bytes=4294967296 at 100 kB/s, one sends 1 MiB to /digest and ' +
    'stalls, again and again. The clients of the calls share the cores with all that they measure.',
]
