// One small JSON call and its small JSON answer, as fast as each connection gets them. Asks what the
// way through gateway, NATS and runner costs: against Fastify and NATS, which is what one would
// write without Callgate, and against servers that call nothing at all.

import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { issueAccessToken } from '../access-token.js'
import { autocannonGenerator } from '../generators/autocannon.js'
import type { Load } from '../generators/load.js'
import { assertWrkInstalled, wrkGenerator } from '../generators/wrk.js'
import type { Ratio, Report, SubjectReport } from '../report.js'
import { cpuUsPerCall, errorCount, formatReport, subjectReport } from '../report.js'
import { alternate } from '../rounds.js'
import {
  type StartSubject,
  type Subject,
  startCallgate,
  startFastifyNats,
  startNodeHttp,
  startUwsHello,
} from '../subjects.js'
import { type Nats, type Testbed, withTestbed } from '../testbed.js'

const BODY = '{"message":"hello","n":1}'
const PATH = '/echo'
const WARMUP_SECONDS = 2

// Work of others takes its share of every number here, of CPU time too, through caches and clocks.
const BUSY_LOAD_PER_CORE = 0.5

const SUBJECTS: Readonly<Record<string, StartSubject>> = {
  callgate: startCallgate,
  'uws-hello': startUwsHello,
  'node-http': startNodeHttp,
  'fastify-nats': startFastifyNats,
}

const GENERATORS = { autocannon: autocannonGenerator, wrk: wrkGenerator }

interface UnaryOptions {
  readonly connections: number
  readonly duration: number
  readonly rounds: number
  readonly pipelining: number
  readonly generator: keyof typeof GENERATORS
  readonly only: readonly string[]
  readonly logLevel?: string
  readonly json?: string
  readonly cpuProf?: string
}

/** @param signal ends the load test early */
export function unaryCommand(signal: AbortSignal): Command {
  const subjects = Object.keys(SUBJECTS)
  return new Command('unary')
    .description('small JSON calls through Callgate, and the same to its peers')
    .option('--connections <n>', 'connections held open', positiveInteger, 64)
    .option('--duration <seconds>', 'length of a round', positiveInteger, 8)
    .option('--rounds <n>', 'measured rounds of each subject', positiveInteger, 3)
    .option('--pipelining <n>', 'calls that a connection has in flight', positiveInteger, 1)
    .addOption(
      new Option('--generator <name>', 'what makes the calls')
        .choices(Object.keys(GENERATORS))
        .default('autocannon'),
    )
    .option('--only <subjects>', `of ${subjects.join(', ')}`, subjectNames, subjects)
    .option('--log-level <level>', "of Callgate's gateway and runner")
    .option('--json <file>', 'write all numbers into this file')
    .option('--cpu-prof <directory>', "write CPU profiles of Callgate's gateway and runner")
    .action(async (options: UnaryOptions) => {
      if (options.generator === 'wrk') await assertWrkInstalled()
      const report = await withTestbed(signal, (testbed) => runUnary(testbed, options))
      console.log(formatReport(report))
      if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`)
      if (errorCount(report) > 0) process.exitCode = 1
    })
}

async function runUnary(testbed: Testbed, options: UnaryOptions): Promise<Report> {
  const { connections, pipelining, rounds, duration } = options
  const loadBefore = loadavg()[0] ?? 0
  const { token, jwksFile } = await issueAccessToken(testbed.directory)
  // Every subject gets the same bytes, whether it looks at the token or not.
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const loadOn = (subject: Subject, seconds: number): Load => {
    const url = new URL(PATH, subject.origin).href
    return { url, headers, body: BODY, connections, pipelining, seconds }
  }

  const nats = await testbed.startNats()
  const profileDirectory = options.cpuProf && resolve(options.cpuProf)
  if (profileDirectory) await mkdir(profileDirectory, { recursive: true })
  const subjects: Subject[] = []
  for (const name of options.only) {
    const { logLevel } = options
    const subjectOptions = { nats, jwksFile, logLevel, profileDirectory }
    subjects.push(await SUBJECTS[name]!(testbed, subjectOptions))
  }

  const results = await alternate(testbed, subjects, {
    rounds,
    seconds: duration,
    warmupSeconds: WARMUP_SECONDS,
    check: (subject) => checkAnswer(subject, headers),
    generate: (subject, seconds) =>
      GENERATORS[options.generator](testbed, loadOn(subject, seconds)),
  })
  const reports = [...results].map(([name, measured]) => subjectReport(name, measured))
  return {
    header: headerOf(options, nats, loadBefore),
    subjects: reports,
    ratios: ratiosOf(reports),
    notes: NOTES[options.generator],
  }
}

async function checkAnswer(subject: Subject, headers: Record<string, string>): Promise<void> {
  const response = await fetch(new URL(PATH, subject.origin), {
    method: 'POST',
    headers: { ...headers, connection: 'close' },
    body: BODY,
    signal: AbortSignal.timeout(5_000),
  })
  const body = await response.text()
  if (response.ok && body === BODY) return
  throw new Error(`${subject.name} answered ${response.status} and not the body: ${body}`)
}

function headerOf(options: UnaryOptions, nats: Nats, loadBefore: number): string {
  const { connections, pipelining, rounds, duration, generator } = options
  const cores = availableParallelism()
  const model = cpus()[0]?.model.trim() ?? process.arch
  const isBusy = loadBefore / cores > BUSY_LOAD_PER_CORE
  return [
    `unary: ${connections} connections, pipelining ${pipelining}, ${duration} s a round, ` +
      `${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${generator}`,
    `${cores} cores (${model}), Node ${process.version}, nats-server ${nats.version}, ` +
      `load average before: ${loadBefore.toFixed(1)}${isBusy ? ', TOO BUSY TO MEASURE' : ''}`,
  ].join('\n')
}

function ratiosOf(reports: readonly SubjectReport[]): Ratio[] {
  const [callgate, uws, fastify] = ['callgate', 'uws-hello', 'fastify-nats'].map((name) =>
    reports.find((report) => report.name === name),
  )
  const ratios: Ratio[] = []
  if (callgate && fastify) {
    const value = callgate.callsPerSecond / fastify.callsPerSecond
    ratios.push({ name: 'callgate calls/s ÷ fastify-nats calls/s', value })
  }
  if (callgate && uws) {
    const gateway = callgate.cpu.find((cost) => cost.process === 'gateway')!
    const value = gateway.usPerCall / cpuUsPerCall(uws)
    ratios.push({ name: 'gateway CPU ÷ uws-hello CPU', value })
  }
  return ratios
}

const CPU_NOTE =
  'CPU µs per call is the steadier measure, not an absolute one: a subject that is busy takes more\n' +
  'calls a turn of its loop and pays less for each. Compare within one table.'

const NOTES = {
  autocannon: [
    'autocannon shares the cores with what it measures and costs more CPU time per call than the',
    'fast subjects do, so their calls/s and latencies are bounded by it; --generator wrk takes less.',
    CPU_NOTE,
  ],
  wrk: [
    'wrk shares the cores with what it measures, so calls/s of the fast subjects are bounded by it.',
    'It does not compare bodies; one answer a round is compared beside it.',
    CPU_NOTE,
  ],
}

function positiveInteger(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a whole number above 0.')
}

function subjectNames(text: string): string[] {
  const names = text.split(',')
  const unknown = names.find((name) => !(name in SUBJECTS))
  if (unknown === undefined) return names
  throw new InvalidArgumentError(`"${unknown}" is none of ${Object.keys(SUBJECTS).join(', ')}.`)
}
