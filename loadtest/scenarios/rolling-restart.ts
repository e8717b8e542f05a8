// Every process of Callgate is restarted, one after the other, while calls come and event streams are
// open: what an operator does for a new release. No client should notice.

import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { EventStreamLoad, WHOLE } from '../clients/event-stream-load.js'
import { faultsOf } from '../clients/failures.js'
import { HttpClient } from '../clients/http-client.js'
import { UnaryLoad } from '../clients/unary-load.js'
import { positiveInteger, positiveNumber } from '../common-options.js'
import { startProgress, tell } from '../progress.js'
import { formatErrors, mergeErrors } from '../report/errors.js'
import type { Findings } from '../report/result.js'
import { runScenario } from '../run-scenario.js'
import { System } from '../system/system.js'
import type { Testbed } from '../testbed.js'

const GATEWAYS = 2
const WORK_RUNNERS = 3
const TOKENS_RUNNERS = 2
const SLOTS = 32
const WORK_MS = 5
const NEWCOMER_EVERY = 10
/** A drain ends connections behind their next answer: a stream that began before it, and one more. */
const DRAINED_STREAMS = 2
/** Beyond their length: then a drain gives up. */
const DRAIN_GRACE_MS = 20_000
/** Beyond the drain: then it is killed. */
const STOP_GRACE_MS = 30_000

interface Options {
  readonly rate: number
  readonly streams: number
  readonly streamSeconds: number
  readonly json?: string
}

interface Restart {
  readonly name: string
  readonly drainedMs: number
}

interface Outcome {
  readonly name: string
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
}

/** @param signal ends the load test early */
export function rollingRestartCommand(signal: AbortSignal): Command {
  return new Command('rolling-restart')
    .description('every process restarted under load, one after the other')
    .option('--rate <calls>', 'calls a second', positiveInteger, 2000)
    .option('--streams <n>', 'event streams that are always open', positiveInteger, 200)
    .option('--stream-seconds <n>', 'length of each', positiveNumber, 60)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'rolling-restart', options, (testbed) => run(testbed, options))
    })
}

async function run(testbed: Testbed, options: Options): Promise<Findings> {
  const drainMs = DRAINED_STREAMS * options.streamSeconds * 1000 + DRAIN_GRACE_MS
  const drain = ['--drain-ms', String(drainMs)]
  const system = await System.start(testbed, {
    ...{ gateways: GATEWAYS, gatewayFlags: drain, runnerFlags: drain },
  })
  const environment = { LOADTEST_SLOTS: String(SLOTS) }
  await system.startRunners([
    { functionName: 'work', processes: WORK_RUNNERS, environment },
    { functionName: 'tokens', processes: TOKENS_RUNNERS },
  ])
  const { authorization, origin } = system
  const client = new HttpClient(origin, { authorization, 'content-type': 'application/json' })
  const calls = new UnaryLoad(client, {
    ...{ functionName: 'work', ms: WORK_MS, perSecond: options.rate },
    newcomerEvery: NEWCOMER_EVERY,
  })
  const streams = new EventStreamLoad(client, {
    streams: options.streams,
    seconds: options.streamSeconds,
  })
  const end = new AbortController()
  const signal = AbortSignal.any([end.signal, testbed.signal])
  const running = Promise.all([calls.run(signal), streams.run(signal)])
  const restarts: Restart[] = []
  const parts = [...system.gateways, ...system.runners]
  const progress = startProgress(parts.length, 'until all streams are open')
  try {
    // Until all are open.
    await delay(options.streamSeconds * 1000, undefined, { signal })
    for (const part of parts) {
      progress.at(restarts.length, `${part.name} is restarted`)
      const fromMs = performance.now()
      await part.child.stop(drainMs + STOP_GRACE_MS)
      const drainedMs = performance.now() - fromMs
      tell(`${part.name}: gone after ${drainedMs.toFixed(0)} ms`)
      restarts.push({ name: part.name, drainedMs })
      await part.start()
      await system.untilReady('work', WORK_RUNNERS)
      await system.untilReady('tokens', TOKENS_RUNNERS)
    }
  } finally {
    progress.stop()
    end.abort()
    await running
    client.close()
  }
  const { [WHOLE]: _, ...broken } = streams.outcomes.counts
  const subjects: Outcome[] = [
    {
      name: 'calls',
      perSecond: calls.startedPerSecond,
      p50Ms: calls.p50Ms(),
      p99Ms: calls.p99Ms(),
      outcomes: calls.outcomes.counts,
      errors: faultsOf(calls),
    },
    {
      ...{ name: 'streams', perSecond: Number.NaN, p50Ms: Number.NaN, p99Ms: Number.NaN },
      outcomes: streams.outcomes.counts,
      errors: broken,
    },
  ]
  return {
    title:
      `every process restarted: ${options.rate} calls/s of ${WORK_MS} ms, one in ${NEWCOMER_EVERY} on a ` +
      `connection of its own; ${options.streams} event streams of ${options.streamSeconds} s; ` +
      `${GATEWAYS} gateways and ${WORK_RUNNERS + TOKENS_RUNNERS} runners restarted`,
    tables: [
      { columns: COLUMNS, rows: subjects.map(rowOf) },
      {
        columns: ['stopped with SIGTERM', 'gone after ms'],
        rows: restarts.map(({ name, drainedMs }) => [name, drainedMs.toFixed(0)]),
      },
    ],
    charts: [],
    targets: [],
    notes: ['Faults: any call that failed, and any stream that was cut or not what it must be.'],
    errors: mergeErrors(subjects.map(({ errors }) => errors)),
    data: { subjects, restarts },
  }
}

const COLUMNS = ['form', 'calls/s', 'p50 ms', 'p99 ms', 'outcomes', 'faults']

function rowOf({ name, perSecond, p50Ms, p99Ms, outcomes, errors }: Outcome): string[] {
  const figures = [perSecond, p50Ms, p99Ms].map((value) =>
    Number.isNaN(value) ? '-' : value.toFixed(1),
  )
  return [name, ...figures, formatErrors(outcomes), formatErrors(errors)]
}
