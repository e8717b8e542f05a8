// The time of single calls. Asks what the way through gateway, NATS and runner adds to a call of the function,
// when nobody else is there, and at a rate that leaves room: not what a queue adds when there is none left.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import {
  addCommonOptions,
  type CommonOptions,
  positiveInteger,
  positiveNumber,
} from '../common-options.js'
import {
  type Distribution,
  type LatencyLoad,
  type LatencyResult,
  PERCENTILES,
  percentileOf,
} from '../generators/latency.js'
import { runGenerator } from '../generators/run-generator.js'
import { PUBLISHED } from '../published-latencies.js'
import { formatErrors } from '../report/errors.js'
import type { Chart, Findings, Table, Target } from '../report/result.js'
import { median } from '../report/statistics.js'
import { alternate, type Round, sumErrors } from '../rounds.js'
import { runScenario } from '../run-scenario.js'
import { setStage } from '../stage.js'
import { startNodeHttp, startUwsHello } from '../subjects/alone.js'
import { startCallgate } from '../subjects/callgate.js'
import { startNatsRequest } from '../subjects/over-nats.js'
import type { StartSubject, Subject } from '../subjects/subject.js'
import { REPOSITORY, type Testbed } from '../testbed.js'

const BODY = '{"message":"hello","n":1}'
const PATH = '/echo'
const GENERATOR_GRACE_MS = 20_000

const CALLGATE = 'callgate'
const REQUEST = 'nc.request()'

const SUBJECTS: Readonly<Record<string, StartSubject>> = {
  [CALLGATE]: startCallgate,
  [REQUEST]: startNatsRequest,
  'node-http': startNodeHttp,
  'uws-hello': startUwsHello,
}

/** Of what the connections reach when none of them waits. */
const RATE_SHARES = [0.2, 0.5]

const TARGETS = { ratioToRequest: 1.5, addedP50Ms: 0.3, addedP99Ms: 1 }

interface Options extends CommonOptions {
  readonly connections: number
  readonly duration: number
}

/** One line of the table. */
interface Line extends Subject {
  readonly subject: string
  readonly connections: number
  readonly perSecond: number | undefined
}

interface LineReport {
  readonly line: Line
  readonly perSecond: number
  /** Of each percentile the median over the rounds. */
  readonly latency: Distribution
  readonly lateness: Distribution
  readonly errors: Readonly<Record<string, number>>
  readonly cpu: readonly { readonly process: string; readonly usPerCall: number }[]
  readonly rounds: readonly Round<LatencyResult>[]
}

/** @param signal ends the load test early */
export function latencyCommand(signal: AbortSignal): Command {
  const command = new Command('latency')
    .description('the time of single calls, when there is room for them')
    .option('--connections <n>', 'where there is more than one', positiveInteger, 16)
    .option('--duration <seconds>', 'length of a round', positiveNumber, 5)
  return addCommonOptions(command, Object.keys(SUBJECTS), 5).action(async (options: Options) => {
    await runScenario(signal, 'latency', options, (testbed) => runLatency(testbed, options))
  })
}

async function runLatency(testbed: Testbed, options: Options): Promise<Findings> {
  const { rounds, duration, connections } = options
  const { subjects, authorization } = await setStage(testbed, SUBJECTS, ['echo'], options)
  const headers = { 'content-type': 'application/json', authorization }
  const measure = (line: Line, seconds: number) => {
    const { subject, origin, connections, perSecond } = line
    const url = subject === REQUEST ? origin : new URL(PATH, origin).href
    const pace = perSecond === undefined ? {} : { perSecond }
    const load: LatencyLoad = { url, headers, body: BODY, connections, seconds, ...pace }
    const generator = subject === REQUEST ? 'peers/nats-requester' : 'generators/latency-process'
    return runGenerator<LatencyResult>(
      testbed,
      generator,
      load,
      seconds * 1000 + GENERATOR_GRACE_MS,
    )
  }
  const check = (line: Line) => checkAnswer(line, headers)
  const inProcess = await callInProcess(testbed, duration)

  const lines = subjects.map((subject): Line => ({ ...lineOf(subject, 1) }))
  const callgate = subjects.find(({ name }) => name === CALLGATE)
  if (callgate !== undefined) {
    const busy = lineOf(callgate, connections)
    const capacity = await capacityOf(testbed, busy, duration, check, measure)
    const paced = RATE_SHARES.map((share) => lineOf(callgate, connections, share, capacity))
    lines.push(busy, ...paced)
  }
  const results = await alternate<Line, LatencyResult>(testbed, lines, {
    rounds,
    unit: 'calls',
    check,
    generate: (line) => measure(line, duration),
  })
  const reports = lines.map((line) => reportOf(line, results.get(line.name)!))
  return {
    title: `POST /echo, ${duration} s a round, ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`,
    tables: [tableOf(reports, inProcess), PUBLISHED_TABLE],
    charts: [chartOf('One connection', reports, 1), chartOf('Callgate', reports, connections)],
    targets: targetsOf(reports, inProcess.latency, connections),
    notes: NOTES,
    errors: sumErrors([...results.values()].flat()),
    data: { inProcess, lines: reports },
  }
}

function lineOf(subject: Subject, connections: number, share?: number, capacity = 0): Line {
  const many = connections === 1 ? '' : `, ${connections} connections`
  const perSecond = share === undefined ? undefined : Math.max(1, Math.round(capacity * share))
  const pace = share === undefined ? '' : `, ${perSecond!.toLocaleString('en')} calls/s`
  const name = `${subject.name}${many}${pace}`
  return { ...subject, name, subject: subject.name, connections, perSecond }
}

/** Calls a second that the connections reach; the first seconds are for compilers and caches. */
async function capacityOf(
  testbed: Testbed,
  line: Line,
  seconds: number,
  check: (line: Line) => Promise<void>,
  generate: (line: Line, seconds: number) => Promise<LatencyResult>,
): Promise<number> {
  const plan = { rounds: 1, unit: 'calls', check }
  const results = await alternate<Line, LatencyResult>(testbed, [line], {
    ...plan,
    generate: (it) => generate(it, seconds),
  })
  const { load } = results.get(line.name)!.at(-1)!
  return load.count / load.seconds
}

function callInProcess(testbed: Testbed, seconds: number): Promise<LatencyResult> {
  const url = join(REPOSITORY, 'dist', 'examples', 'echo.js')
  if (!existsSync(url)) throw new Error('dist/examples/echo.js is missing: run npm run build.')
  const load: LatencyLoad = { url, headers: {}, body: BODY, connections: 1, seconds }
  const timeoutMs = seconds * 1000 + GENERATOR_GRACE_MS
  return runGenerator(testbed, 'generators/in-process-calls', load, timeoutMs)
}

async function checkAnswer(line: Line, headers: Record<string, string>): Promise<void> {
  if (line.subject === REQUEST) return
  const response = await fetch(new URL(PATH, line.origin), {
    method: 'POST',
    headers: { ...headers, connection: 'close' },
    body: BODY,
    signal: AbortSignal.timeout(5_000),
  })
  const body = await response.text()
  if (response.ok && body === BODY) return
  throw new Error(`${line.name} answered ${response.status} and not the body: ${body}`)
}

function reportOf(line: Line, rounds: readonly Round<LatencyResult>[]): LineReport {
  const measured = rounds.filter((round) => !round.isWarmup)
  const medianOf = (value: (round: Round<LatencyResult>) => number) => median(measured.map(value))
  const medians = (of: 'latency' | 'lateness'): Distribution =>
    PERCENTILES.map((percentile) => [
      percentile,
      medianOf(({ load }) => percentileOf(load[of], percentile)),
    ])
  return {
    line,
    perSecond: medianOf(({ load }) => load.count / load.seconds),
    latency: medians('latency'),
    lateness: medians('lateness'),
    errors: sumErrors(rounds),
    cpu: line.processes.map(({ name }, index) => ({
      process: name,
      usPerCall: medianOf((round) => round.processes[index]!.cpuUsPerUnit),
    })),
    rounds,
  }
}

function tableOf(reports: readonly LineReport[], inProcess: LatencyResult): Table {
  const us = (distribution: Distribution, percentile: number) => {
    const value = percentileOf(distribution, percentile)
    return value.toFixed(value < 10 ? 1 : 0)
  }
  const times = (distribution: Distribution) =>
    [50, 90, 99, 99.9, 100].map((percentile) => us(distribution, percentile))
  return {
    title: 'µs from when a call was due to its last byte',
    columns: [
      ...['subject', 'loop', 'calls/s', 'p50', 'p90', 'p99', 'p99.9', 'most'],
      ...['client late p50, p99', 'CPU µs per call', 'errors'],
    ],
    rows: [
      [
        ...['function, in process', 'closed', rateOf(inProcess.count / inProcess.seconds)],
        ...[...times(inProcess.latency), '-', '-', formatErrors(inProcess.errors)],
      ],
      ...reports.map(({ line, perSecond, latency, lateness, cpu, errors }) => [
        line.name,
        line.perSecond === undefined ? 'closed' : 'open',
        rateOf(perSecond),
        ...times(latency),
        line.perSecond === undefined ? '-' : `${us(lateness, 50)}, ${us(lateness, 99)}`,
        cpu.map(({ process, usPerCall }) => `${process} ${usPerCall.toFixed(1)}`).join(' + '),
        formatErrors(errors),
      ]),
    ],
  }
}

function rateOf(perSecond: number): string {
  return Math.round(perSecond).toLocaleString('en')
}

const PUBLISHED_TABLE: Table = {
  title: 'What others have published, each on its own machine and in its own way',
  columns: ['product', 'ms', 'of what', 'source', 'address'],
  rows: PUBLISHED.map(({ product, ms, figure, source, address }) => [
    ...[product, String(ms), figure, source, address],
  ]),
}

function chartOf(title: string, reports: readonly LineReport[], connections: number): Chart {
  const lines = reports.filter(({ line }) => line.connections === connections)
  return {
    title: `${title}: time of a call, by percentile`,
    kind: 'line',
    x: { label: 'percentile', scale: 'nines' },
    y: { label: 'µs', scale: 'log' },
    series: lines.map(({ line, latency }) => ({
      name: line.name,
      points: latency.filter(([percentile]) => percentile < 100),
    })),
  }
}

function targetsOf(
  reports: readonly LineReport[],
  inProcess: Distribution,
  connections: number,
): Target[] {
  const targets: Target[] = []
  const alone = (subject: string) =>
    reports.find(({ line }) => line.subject === subject && line.connections === 1)
  const [callgate, request] = [alone(CALLGATE), alone(REQUEST)]
  if (callgate && request) {
    targets.push({
      name: `one connection: p50 of callgate ÷ p50 of ${REQUEST}`,
      unit: '',
      comparison: 'at most',
      target: TARGETS.ratioToRequest,
      value: percentileOf(callgate.latency, 50) / percentileOf(request.latency, 50),
    })
  }
  for (const { line, latency } of reports) {
    if (line.subject !== CALLGATE || line.connections !== connections) continue
    const loop = line.perSecond === undefined ? 'closed loop' : `${rateOf(line.perSecond)} calls/s`
    const added = (percentile: number) =>
      (percentileOf(latency, percentile) - percentileOf(inProcess, percentile)) / 1000
    const target = (percentile: number, ms: number): Target => ({
      name: `${connections} connections, ${loop}: p${percentile} added to the function in process`,
      unit: 'ms',
      comparison: 'at most',
      target: ms,
      value: added(percentile),
    })
    targets.push(target(50, TARGETS.addedP50Ms), target(99, TARGETS.addedP99Ms))
  }
  return targets
}

const NOTES = [
  'Closed loop: a connection makes its next call when it has its answer. With one connection that is the time of the way itself. With many, the processes have always something to do and calls wait for each other: it is the rate, told as a time.',
  'Open loop: calls are due at a steady rate, a fifth and a half of what the closed loop reached, and their time counts from when they were due, whether the client was on time or not.',
  'The client runs on the same cores as what it measures; its own time, and how late it was, are part of every figure.',
]
