// What a front sees in real life: small calls, event streams, WebSockets, uploads and downloads and calls that
// are refused, all at once and each at its own pace. Asks what the small calls notice of the others.

import { Command } from 'commander'
import { addCommonOptions, type CommonOptions, positiveInteger } from '../common-options.js'
import { type LatencyLoad, type LatencyResult, percentileOf } from '../generators/latency.js'
import type { Measurement } from '../generators/load.js'
import {
  type KindResult,
  MESSAGE_INTERVAL_MS,
  type MixLoad,
  type MixResult,
  TOKEN_INTERVAL_MS,
  TOKENS_A_STREAM,
} from '../generators/mix.js'
import { runGenerator } from '../generators/run-generator.js'
import { type MemoryHeld, watchMemory } from '../memory-watch.js'
import { formatErrors } from '../report/errors.js'
import type { Chart, Findings, Table } from '../report/result.js'
import { median, sum } from '../report/statistics.js'
import { alternate, type Round, sumErrors } from '../rounds.js'
import { runScenario } from '../run-scenario.js'
import { setStage } from '../stage.js'
import { startCallgate } from '../subjects/callgate.js'
import type { Subject } from '../subjects/subject.js'
import type { Testbed } from '../testbed.js'

const BODY = '{"message":"hello","n":1}'
const UNARY = 'unary'
const FUNCTIONS = ['echo', 'tokens', 'chat', 'digest', 'download']
const MIB = 1024 ** 2
const WARMUP_SECONDS = 2
const GRACE_MS = 60_000

/** The same Callgate, one after the other. */
const PHASES = ['unary alone', 'everything'] as const

interface Options extends CommonOptions {
  readonly duration: number
  readonly connections: number
  readonly rate: number
  readonly streams: number
  readonly sockets: number
  readonly transfers: number
  readonly mib: number
  readonly refusals: number
}

interface MixedResult extends Measurement {
  readonly kinds: Readonly<Record<string, KindResult>>
  readonly memory: readonly MemoryHeld[]
}

type Rounds = readonly Round<MixedResult>[]

/** @param signal ends the load test early */
export function mixedCommand(signal: AbortSignal): Command {
  const command = new Command('mixed')
    .description('small calls alone, and beside everything else that a front sees')
    .option('--duration <seconds>', 'length of a round', positiveInteger, 10)
    .option('--connections <n>', 'of the small calls', positiveInteger, 64)
    .option('--rate <n>', 'small calls a second', positiveInteger, 1_000)
    .option('--streams <n>', 'event streams open at once', positiveInteger, 100)
    .option('--sockets <n>', 'WebSockets open at once', positiveInteger, 100)
    .option('--transfers <n>', 'uploads a second, and as many downloads', positiveInteger, 4)
    .option('--mib <n>', 'MiB of each upload and download', positiveInteger, 4)
    .option('--refusals <n>', 'calls a second that are refused', positiveInteger, 50)
  return addCommonOptions(command, PHASES, 3).action(async (options: Options) => {
    await runScenario(signal, 'mixed', options, (testbed) => runMixed(testbed, options))
  })
}

async function runMixed(testbed: Testbed, options: Options): Promise<Findings> {
  const { rounds, duration, rate, streams, sockets, transfers, mib, refusals } = options
  const stage = await setStage(testbed, { callgate: startCallgate }, FUNCTIONS, {
    ...options,
    only: ['callgate'],
  })
  const callgate = stage.subjects[0]!
  const phases = (options.only ?? PHASES).map((name): Subject => ({ ...callgate, name }))
  const results = await alternate<Subject, MixedResult>(testbed, phases, {
    ...{ rounds, unit: 'calls', check: () => checkAnswers(callgate, stage.authorization) },
    generate: async ({ name }, isWarmup) => {
      const seconds = isWarmup ? Math.min(WARMUP_SECONDS, duration) : duration
      const { result, memory } = await watchMemory(callgate.processes, () =>
        generate(testbed, callgate.origin, stage.authorization, options, seconds, name),
      )
      return { ...measurementOf(result, seconds), memory }
    },
  })
  return {
    title:
      `${rate} small calls/s; ${streams} event streams of ${TOKENS_A_STREAM} tokens, ${TOKEN_INTERVAL_MS} ms apart; ` +
      `${sockets} WebSockets with a message every ${MESSAGE_INTERVAL_MS} ms; ${transfers} uploads and ${transfers} downloads/s of ${mib} MiB; ` +
      `${refusals} refusals/s; ${duration} s a round, ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`,
    tables: [kindsTable(results), processesTable(results, callgate)],
    charts: [unaryChart(results)],
    targets: [],
    notes: NOTES,
    errors: sumErrors([...results.values()].flat()),
    data: Object.fromEntries(results),
  }
}

/** The small calls from a process of their own, whose clock nothing else disturbs. */
async function generate(
  testbed: Testbed,
  origin: string,
  authorization: string,
  options: Options,
  seconds: number,
  phase: string,
): Promise<Record<string, KindResult>> {
  const { connections, rate, streams, sockets, transfers, mib, refusals } = options
  const timeoutMs = seconds * 1000 + GRACE_MS
  const headers = { 'content-type': 'application/json', authorization }
  const url = new URL('/echo', origin).href
  const calls: LatencyLoad = { url, headers, body: BODY, connections, perSecond: rate, seconds }
  const unary = runGenerator<LatencyResult>(testbed, 'generators/latency-process', calls, timeoutMs)
  if (phase === PHASES[0]) return { [UNARY]: await unary }
  const rest: MixLoad = {
    ...{ origin, authorization, seconds, streams, sockets, transferBytes: mib * MIB },
    ...{ uploadsPerSecond: transfers, downloadsPerSecond: transfers, refusalsPerSecond: refusals },
  }
  const others = runGenerator<MixResult>(testbed, 'generators/mix-process', rest, timeoutMs)
  const [small, mix] = await Promise.all([unary, others])
  return { [UNARY]: small, ...mix }
}

function measurementOf(
  kinds: Readonly<Record<string, KindResult>>,
  seconds: number,
): Omit<MixedResult, 'memory'> {
  const errors = Object.entries(kinds).flatMap(([kind, { errors }]) =>
    Object.entries(errors).map(([how, count]) => [`${kind}: ${how}`, count] as const),
  )
  const count = sum(Object.values(kinds).map((kind) => kind.count))
  return { kinds, count, seconds, errors: Object.fromEntries(errors) }
}

async function checkAnswers({ origin }: Subject, authorization: string): Promise<void> {
  const asks: [path: string, body: string | null][] = [
    ['/echo', BODY],
    ['/tokens', '{"count":1}'],
    ['/digest', BODY],
    ['/download?bytes=1', null],
  ]
  for (const [path, body] of asks) {
    const response = await fetch(new URL(path, origin), {
      method: body === null ? 'GET' : 'POST',
      headers: { authorization, 'content-type': 'application/json', connection: 'close' },
      body,
      signal: AbortSignal.timeout(5_000),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${text}`)
  }
}

function kindsTable(results: ReadonlyMap<string, Rounds>): Table {
  const rows = [...results].flatMap(([phase, rounds]) => {
    const measured = rounds.filter((round) => !round.isWarmup)
    return Object.keys(measured[0]?.load.kinds ?? {}).map((kind) => {
      const each = measured.map(({ load }) => load.kinds[kind]!)
      const ms = (percentile: number) =>
        (median(each.map(({ latency }) => percentileOf(latency, percentile))) / 1000).toFixed(2)
      const rate = median(each.map(({ count, seconds }) => count / seconds))
      const errors = sumErrors(rounds.map((round) => ({ ...round, load: round.load.kinds[kind]! })))
      return [phase, kind, rate.toFixed(1), ms(50), ms(99), formatErrors(errors)]
    })
  })
  return { columns: ['phase', 'kind', 'right/s', 'p50 ms', 'p99 ms', 'errors'], rows }
}

function processesTable(results: ReadonlyMap<string, Rounds>, { processes }: Subject): Table {
  const rows = [...results].flatMap(([phase, rounds]) => {
    const measured = rounds.filter((round) => !round.isWarmup)
    return processes.map(({ name }, index) => [
      ...[phase, name],
      median(measured.map(({ processes, load }) => processes[index]!.cpuMs / load.seconds)).toFixed(
        0,
      ),
      (Math.max(...measured.map(({ load }) => load.memory[index]!.peakBytes)) / MIB).toFixed(0),
    ])
  })
  return { columns: ['phase', 'process', 'CPU ms/s', 'peak MiB'], rows }
}

function unaryChart(results: ReadonlyMap<string, Rounds>): Chart {
  const series = [...results].map(([name, rounds]) => {
    const measured = rounds.filter((round) => !round.isWarmup)
    const distributions = measured.map(({ load }) => load.kinds[UNARY]!.latency)
    const percentiles = distributions[0]?.map(([percentile]) => percentile) ?? []
    const points = percentiles
      .filter((percentile) => percentile < 100)
      .map((percentile): [number, number] => [
        percentile,
        median(distributions.map((it) => percentileOf(it, percentile))) / 1000,
      ])
    return { name, points }
  })
  return {
    title: 'Time of a small call, by percentile',
    kind: 'line',
    x: { label: 'percentile', scale: 'nines' },
    y: { label: 'ms', scale: 'log' },
    series,
  }
}

const NOTES = [
  'All loops are open: calls are due at their pace, and their time counts from when they were due. Of a stream it is the time beyond that of its tokens, of a message its round trip.',
  'Beside the small calls, the streams, messages, transfers and refusals come from one more process on the same cores, which hashes and compares all that it gets.',
]
