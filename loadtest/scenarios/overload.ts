// Ten times as many calls as the runners can work on. Asks whether the runners stay busy with calls that
// are answered, what a refusal costs and how long it takes, and how soon it is all over.

import { createHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { faultsOf } from '../clients/failures.js'
import { HttpClient } from '../clients/http-client.js'
import { RIGHT, UnaryLoad } from '../clients/unary-load.js'
import { positiveInteger, positiveNumber } from '../common-options.js'
import { type MemoryHeld, watchMemory } from '../memory-watch.js'
import { processUsage } from '../process-usage.js'
import { withProgress } from '../progress.js'
import type { Findings, Target } from '../report/result.js'
import { runScenario } from '../run-scenario.js'
import { System } from '../system/system.js'
import type { Testbed } from '../testbed.js'

const RUNNERS = 4
const SLOTS = 4
/** So long that the way to the next call, a millisecond or two, takes little of a slot's time. */
const WORK_MS = 40
const CAPACITY_PER_SECOND = (RUNNERS * SLOTS * 1000) / WORK_MS
const CALM_SHARE = 0.5
const CALM_MS = 5_000
const MOST_RECOVERY_MS = 60_000
const REFUSED = '503 no_capacity'

interface Options {
  readonly duration: number
  readonly factor: number
  readonly maxQueued: number
  readonly json?: string
}

interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly target?: Pick<Target, 'comparison' | 'target'>
}

interface Outcome {
  readonly figures: readonly Figure[]
  readonly outcomes: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
}

/** @param signal ends the load test early */
export function overloadCommand(signal: AbortSignal): Command {
  return new Command('overload')
    .description('many times more calls than the runners can work on')
    .option('--duration <seconds>', 'of the overload', positiveInteger, 60)
    .option('--factor <n>', 'times the capacity that is offered', positiveNumber, 10)
    .option('--max-queued <n>', "of the gateway: half a second's work", positiveInteger, 200)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'overload', options, async (testbed) =>
        findingsOf(await run(testbed, options), options),
      )
    })
}

function findingsOf(outcome: Outcome, { factor, duration, maxQueued }: Options): Findings {
  const { figures, outcomes, errors } = outcome
  return {
    title:
      `too many calls: ${RUNNERS} runners of ${SLOTS} slots, calls of ${WORK_MS} ms: ` +
      `${CAPACITY_PER_SECOND}/s at most; ${factor} times that for ${duration} s, ` +
      `${maxQueued} may wait`,
    tables: [
      { columns: ['figure', 'value'], rows: figures.map(rowOf) },
      {
        columns: ['outcome', 'calls'],
        rows: Object.entries(outcomes).map(([name, calls]) => [name, calls.toLocaleString('en')]),
      },
    ],
    charts: [],
    targets: figures.flatMap(({ name, unit, value, target }) =>
      target === undefined ? [] : [{ name, unit, value, ...target }],
    ),
    notes: NOTES,
    errors,
    data: outcome,
  }
}

async function run(testbed: Testbed, options: Options): Promise<Outcome> {
  const gatewayFlags = ['--max-queued', String(options.maxQueued)]
  const system = await System.start(testbed, { gateways: 1, gatewayFlags })
  const environment = { LOADTEST_SLOTS: String(SLOTS) }
  await system.startRunners([{ functionName: 'work', processes: RUNNERS, environment }])
  const { authorization, origin } = system
  const client = new HttpClient(origin, { authorization, 'content-type': 'application/json' })
  const loadOf = (idPrefix: string, share: number) =>
    new UnaryLoad(client, {
      ...{ functionName: 'work', ms: WORK_MS, idPrefix },
      perSecond: CAPACITY_PER_SECOND * share,
    })
  const gateway = { name: 'gateway', pid: system.gateways[0]!.child.pid }

  // Once for connections and compilers; then what a call costs and takes when all is calm.
  await runFor(loadOf('warm-up', CALM_SHARE), CALM_MS, testbed.signal)
  const calm = loadOf('calm', CALM_SHARE)
  const calmCpuMs = await cpuMsOf(gateway.pid, () => runFor(calm, CALM_MS, testbed.signal))
  const normalMs = calm.p50Ms()

  const overload = loadOf('overload', options.factor)
  const refusalUs = createHistogram()
  overload.onEnd = ({ outcome, sentMs, endMs }) => {
    if (outcome === REFUSED) refusalUs.record(Math.max(1, Math.round((endMs - sentMs) * 1000)))
  }
  let recoveryMs = Number.POSITIVE_INFINITY
  let memory: readonly MemoryHeld[] = []
  let cpuMs = 0
  const overMs = options.duration * 1000
  const end = new AbortController()
  const running = overload.run(AbortSignal.any([end.signal, testbed.signal]))
  try {
    const watched = await watchMemory([gateway], async () => {
      cpuMs = await cpuMsOf(gateway.pid, () =>
        withProgress(overMs, 'overload', () =>
          delay(overMs, undefined, { signal: testbed.signal }),
        ),
      )
    })
    memory = watched.memory
  } finally {
    end.abort()
    recoveryMs = await recovery(client, normalMs)
    await running
  }

  // As many answers, and fewer refusals: what the gateway needs less was for those.
  const half = loadOf('half', options.factor / 2)
  const halfMs = Math.round(overMs / 3)
  const halfCpuMs = await cpuMsOf(gateway.pid, () => runFor(half, halfMs, testbed.signal))
  client.close()
  const isRight = (outcome: string) => outcome === RIGHT || outcome === REFUSED
  const errors = {
    ...faultsOf(calm),
    ...faultsOf(half, isRight),
    ...faultsOf(overload, isRight),
  }
  const cpuUsOfAnswer = (calmCpuMs * 1000) / calm.outcomes.of(RIGHT)
  const answers = overload.outcomes.of(RIGHT)
  const refusals = overload.outcomes.of(REFUSED)
  const halfRefusals = half.outcomes.of(REFUSED)
  const cpuUsOfRefusal =
    ((cpuMs / overMs - halfCpuMs / halfMs) * 1000) / (refusals / overMs - halfRefusals / halfMs)
  const figures: Figure[] = [
    { name: 'offered', value: overload.startedPerSecond, unit: 'calls/s' },
    { name: 'answered', value: answers / options.duration, unit: 'calls/s' },
    {
      name: 'answered ÷ capacity',
      value: answers / options.duration / CAPACITY_PER_SECOND,
      unit: '',
      target: { comparison: 'at least', target: 0.9 },
    },
    { name: 'answers p50', value: overload.p50Ms(), unit: 'ms' },
    {
      name: 'refusals p50',
      value: refusals === 0 ? Number.NaN : refusalUs.percentile(50) / 1000,
      unit: 'ms',
      target: { comparison: 'at most', target: 20 },
    },
    { name: 'refusals p99', value: refusalUs.percentile(99) / 1000, unit: 'ms' },
    { name: 'client late, p99', value: overload.latenessUs.percentile(99) / 1000, unit: 'ms' },
    {
      name: 'gateway CPU per refusal',
      value: cpuUsOfRefusal > 0 ? cpuUsOfRefusal : Number.NaN,
      unit: 'µs',
      target: { comparison: 'at most', target: 50 },
    },
    {
      name: 'gateway CPU per call, answers included',
      value: (cpuMs * 1000) / overload.outcomes.total,
      unit: 'µs',
    },
    { name: 'gateway CPU per answer when calm', value: cpuUsOfAnswer, unit: 'µs' },
    { name: 'gateway memory before', value: memory[0]!.startBytes / 1024 ** 2, unit: 'MiB' },
    { name: 'gateway memory at the end', value: memory[0]!.endBytes / 1024 ** 2, unit: 'MiB' },
    { name: 'answers p50 when calm', value: normalMs, unit: 'ms' },
    {
      name: 'first normal answer after the end',
      value: recoveryMs,
      unit: 'ms',
      target: { comparison: 'at most', target: 1000 },
    },
  ]
  return { figures, outcomes: overload.outcomes.counts, errors }
}

async function runFor(load: UnaryLoad, ms: number, signal: AbortSignal): Promise<void> {
  const end = AbortSignal.timeout(ms)
  await load.run(AbortSignal.any([end, signal]))
}

async function cpuMsOf(pid: number, work: () => Promise<void>): Promise<number> {
  const before = await processUsage(pid)
  await work()
  return (await processUsage(pid)).cpuMs - before.cpuMs
}

/** Until the end of the first call that is answered in about its normal time. */
async function recovery(client: HttpClient, normalMs: number): Promise<number> {
  const fromMs = performance.now()
  while (performance.now() - fromMs < MOST_RECOVERY_MS) {
    const startMs = performance.now()
    const body = JSON.stringify({ id: 'recovery', ms: WORK_MS })
    const end = await client.call({
      ...{ method: 'POST', path: '/work', body, patienceMs: MOST_RECOVERY_MS },
    })
    const endMs = performance.now()
    const isAnswered = end.how === 'answered' && end.answer.status === 200
    if (isAnswered && endMs - startMs <= 2 * normalMs) return endMs - fromMs
  }
  return Number.POSITIVE_INFINITY
}

function rowOf({ name, value, unit }: Figure): string[] {
  if (!Number.isFinite(value)) return [name, 'nothing']
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0
  return [name, `${value.toFixed(digits)} ${unit}`.trim()]
}

const NOTES = [
  'Normal is up to twice the p50 of the calm before. CPU per refusal: what the gateway takes less ' +
    'when half as many calls come, of which as many are answered, over the refusals that are fewer.',
  'Answers are timed from when they were due, refusals from when their call was sent: a client that is ' +
    'late has too little CPU time for its load. Errors: anything but answers and refusals that say when ' +
    'to come back.',
]
