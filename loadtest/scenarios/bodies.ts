// Large bodies, up and down, one at a time and several at once. Asks how near Callgate comes to the
// transport under it, and whether its memory depends on the size of what passes: it must not.

import { Command } from 'commander'
import {
  addCommonOptions,
  type CommonOptions,
  positiveInteger,
  positiveNumber,
} from '../common-options.js'
import { type BodiesLoad, type BodiesResult, bodiesTimeoutMs, GIB } from '../generators/bodies.js'
import type { Measurement } from '../generators/load.js'
import { runGenerator } from '../generators/run-generator.js'
import { type MemoryHeld, watchMemory } from '../memory-watch.js'
import { formatErrors, mergeErrors } from '../report/errors.js'
import type { Findings, Table, Target } from '../report/result.js'
import { median } from '../report/statistics.js'
import { alternate, type Round, sumErrors } from '../rounds.js'
import { runScenario } from '../run-scenario.js'
import { setStage } from '../stage.js'
import { startSocketPipe, startUwsUpload } from '../subjects/alone.js'
import { startCallgate } from '../subjects/callgate.js'
import { startNatsPipe } from '../subjects/over-nats.js'
import type { StartSubject, Subject } from '../subjects/subject.js'
import type { Testbed } from '../testbed.js'

const SUBJECTS: Readonly<Record<string, StartSubject>> = {
  callgate: startCallgate,
  'uws-upload': startUwsUpload,
  'nats-pipe': startNatsPipe,
  'socket-pipe': startSocketPipe,
}

const TRANSPORT = 'nats-pipe'

/** Of those that are sent no requests. */
const SENDERS: Readonly<Record<string, string>> = {
  [TRANSPORT]: 'peers/nats-pipe-publisher',
  'socket-pipe': 'peers/socket-pipe-sender',
}

/** Two seconds, as elsewhere: engines compile what moves bodies while it moves them. */
const WARMUP_GIB = 1
const CHECK_BYTES = 1000

interface BodiesOptions extends CommonOptions {
  readonly gib: number
  readonly streams: number
}

/** One line of the table: a subject, doing one thing. */
interface Transfer extends Subject {
  readonly client: 'sender' | 'client'
  readonly direction: BodiesLoad['direction']
  readonly path: string
  readonly streams: number
}

type MeasuredBodies = BodiesResult & { readonly memory: readonly MemoryHeld[] }

/** Eight at once may hold what all of them are granted together as well. */
const TARGETS = { ratio: 0.85, gatewayMib: 128, runnerMib: 192, budgetMib: 32 }

interface TransferReport {
  readonly name: string
  readonly megabytesPerSecond: number
  /** Of its speed to that of the transport in this run, if that was measured. */
  readonly ratio: number | undefined
  readonly errors: Measurement['errors']
  readonly peakBytes: { readonly gateway: number | undefined; readonly runner: number | undefined }
  readonly cpu: readonly { readonly process: string; readonly secondsPerGib: number }[]
  readonly rounds: readonly Round<MeasuredBodies>[]
}

/** @param signal ends the load test early */
export function bodiesCommand(signal: AbortSignal): Command {
  const command = new Command('bodies')
    .description('large bodies up and down, and the transport alone')
    .option('--gib <n>', 'GiB that each round of each subject moves', positiveNumber, 4)
    .option('--streams <n>', 'bodies at once, where there is more than one', positiveInteger, 8)
  return addCommonOptions(command, Object.keys(SUBJECTS), 3).action(
    async (options: BodiesOptions) => {
      await runScenario(signal, 'bodies', options, (testbed) => runBodies(testbed, options))
    },
  )
}

async function runBodies(testbed: Testbed, options: BodiesOptions): Promise<Findings> {
  const { gib, streams, rounds } = options
  const functions = ['digest', 'download']
  const stage = await setStage(testbed, SUBJECTS, functions, options)
  const measure = async (count: number) => {
    const transfers = stage.subjects.flatMap((subject) => transfersOf(subject, count))
    return measureTransfers(testbed, transfers, options, stage.authorization)
  }
  // By themselves: a process that has served several at once keeps some of the memory that they took.
  const single = await measure(1)
  const several = streams === 1 ? [] : await measure(streams)
  const reports = [...single, ...several]
  return {
    title:
      `large bodies: ${gib} GiB a round, one body and ${streams} at once, ` +
      `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`,
    tables: [
      transfersTable('one body', single),
      ...(streams === 1 ? [] : [transfersTable(`${streams} at once`, several)]),
    ],
    charts: [],
    targets: reports.flatMap(targetsOf),
    notes: NOTES,
    errors: mergeErrors(reports.map(({ errors }) => errors)),
    data: { subjects: reports },
  }
}

/** In rounds, with the transport among them where it is one of the subjects. */
async function measureTransfers(
  testbed: Testbed,
  transfers: readonly Transfer[],
  { gib, rounds }: BodiesOptions,
  authorization: string,
): Promise<TransferReport[]> {
  const headers = { authorization }
  const move = (transfer: Transfer, bytes: number) => {
    const load: BodiesLoad = { ...loadOn(transfer), headers, bytes }
    const program = SENDERS[transfer.name] ?? 'generators/bodies-process'
    return runGenerator<BodiesResult>(testbed, program, load, bodiesTimeoutMs(bytes))
  }
  const results = await alternate(testbed, transfers, {
    rounds,
    unit: 'GiB',
    check: (transfer) => checkAnswer(transfer, headers),
    generate: async (transfer, isWarmup) => {
      const bytes = Math.round((isWarmup ? Math.min(gib, WARMUP_GIB) : gib) * GIB)
      const { result, memory } = await watchMemory(transfer.processes, () => move(transfer, bytes))
      return { ...result, memory }
    },
  })
  const transport = results.get(TRANSPORT)
  const transportSpeed = transport && megabytesPerSecond(transport)
  return transfers.map((transfer) =>
    transferReport(transfer, results.get(transfer.name)!, transportSpeed),
  )
}

function targetsOf({ name, ratio, peakBytes: { gateway, runner } }: TransferReport): Target[] {
  if (!name.startsWith('callgate')) return []
  const atMost = (part: string, bytes: number | undefined, mebibytes: number): Target => ({
    name: `${name}: memory of the ${part}`,
    unit: 'MiB',
    comparison: 'at most',
    target: mebibytes,
    value: bytes === undefined ? null : bytes / 1024 ** 2,
  })
  const isSeveral = name.includes('×')
  const budget = isSeveral ? TARGETS.budgetMib : 0
  return [
    ...(ratio === undefined
      ? []
      : [
          {
            name: `${name}: speed, of that of the transport`,
            unit: 'times',
            comparison: 'at least' as const,
            target: TARGETS.ratio,
            value: ratio,
          },
        ]),
    atMost('gateway', gateway, TARGETS.gatewayMib + budget),
    atMost('runner', runner, TARGETS.runnerMib + budget),
  ]
}

/** That it answers at all; the client looks at every byte of what is measured. */
async function checkAnswer(transfer: Transfer, headers: Record<string, string>): Promise<void> {
  const { name, origin, path, direction, client } = transfer
  if (client === 'sender') return
  const isUpload = direction === 'upload'
  const url = new URL(isUpload ? path : `${path}?bytes=${CHECK_BYTES}`, origin)
  const response = await fetch(url, {
    headers: { ...headers, connection: 'close' },
    signal: AbortSignal.timeout(5_000),
    ...(isUpload && { method: 'POST', body: new Uint8Array(CHECK_BYTES) }),
  })
  const text = await response.text()
  const bytes = isUpload ? JSON.parse(text).bytes : text.length
  if (response.ok && bytes === CHECK_BYTES) return
  throw new Error(`${name} answered ${response.status} and not ${CHECK_BYTES} bytes: ${text}`)
}

/** @param count bodies at once; of those that are sent no requests, it is one stream of messages */
function transfersOf(subject: Subject, count: number): Transfer[] {
  const upload = { ...subject, client: 'client', direction: 'upload', path: '/digest' } as const
  const name = (what: string) => (count === 1 ? what : `${what} × ${count}`)
  if (subject.name in SENDERS) return [{ ...upload, client: 'sender', streams: 1 }]
  if (subject.name !== 'callgate') {
    return [{ ...upload, name: name(subject.name), streams: count }]
  }
  // The runner of the other function is idle, and not part of the cost.
  const without = (runner: string) => subject.processes.filter((it) => it.name !== runner)
  const download = { ...upload, direction: 'download', path: '/download' } as const
  return [
    {
      ...upload,
      name: name('callgate upload'),
      streams: count,
      processes: without('download runner'),
    },
    {
      ...download,
      name: name('callgate download'),
      streams: count,
      processes: without('digest runner'),
    },
  ]
}

function loadOn({ name, origin, path, direction, streams, client }: Transfer) {
  const url = client === 'sender' ? origin : new URL(path, origin).href
  return { url, direction, streams, isHashed: name.startsWith('callgate') }
}

function transferReport(
  transfer: Transfer,
  rounds: readonly Round<MeasuredBodies>[],
  transportSpeed: number | undefined,
): TransferReport {
  const measured = rounds.filter((round) => !round.isWarmup)
  const speed = megabytesPerSecond(rounds)
  const peakOf = (kind: string) => {
    const held = measured.flatMap(({ load }) => load.memory)
    const peaks = held.filter((it) => it.process.endsWith(kind)).map((it) => it.peakBytes)
    return peaks.length === 0 ? undefined : Math.max(...peaks)
  }
  const secondsPerGib = (cpuMs: (round: Round<MeasuredBodies>) => number) =>
    median(measured.map((round) => cpuMs(round) / 1000 / round.load.count))
  const cpu = transfer.processes.map(({ name }, index) => ({
    process: name.endsWith('runner') ? 'runner' : name,
    secondsPerGib: secondsPerGib((round) => round.processes[index]!.cpuMs),
  }))
  const client = { process: transfer.client, secondsPerGib: secondsPerGib((it) => it.load.cpuMs) }
  return {
    name: transfer.name,
    megabytesPerSecond: speed,
    ratio: transportSpeed === undefined ? undefined : speed / transportSpeed,
    errors: sumErrors(rounds),
    peakBytes: { gateway: peakOf('gateway'), runner: peakOf('runner') },
    cpu: [client, ...cpu],
    rounds,
  }
}

function megabytesPerSecond(rounds: readonly Round<MeasuredBodies>[]): number {
  const measured = rounds.filter((round) => !round.isWarmup)
  return median(measured.map(({ load }) => (load.count * GIB) / 1e6 / load.seconds))
}

function transfersTable(title: string, reports: readonly TransferReport[]): Table {
  const mebibytes = (bytes: number | undefined) =>
    bytes === undefined ? '-' : (bytes / 1024 ** 2).toFixed(0)
  const columns = [
    'subject',
    'MB/s',
    'ratio to transport',
    'errors',
    'peak MiB gateway',
    'peak MiB runner',
    'CPU s per GiB',
  ]
  const rows = reports.map((transfer) => [
    transfer.name,
    transfer.megabytesPerSecond.toFixed(0),
    transfer.ratio?.toFixed(2) ?? '-',
    formatErrors(transfer.errors),
    mebibytes(transfer.peakBytes.gateway),
    mebibytes(transfer.peakBytes.runner),
    transfer.cpu.map((it) => `${it.process} ${it.secondsPerGib.toFixed(2)}`).join(' + '),
  ])
  return { title, columns, rows }
}

const NOTES = [
  'The transport is one publisher and one subscriber on the same nats-server: 256 KiB a message, ' +
    '4 MiB in flight, nothing hashed or compared. All processes share the cores.',
]
