// Long calls beside short ones, with room for both. Asks whether a short one waits behind a long one
// while a runner idles: with Callgate, which addresses a runner that is free, and with a NATS queue
// group, which picks a member at random.

import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { faultsOf } from '../clients/failures.js'
import { HttpClient } from '../clients/http-client.js'
import { UnaryLoad } from '../clients/unary-load.js'
import { positiveInteger } from '../common-options.js'
import { withProgress } from '../progress.js'
import { formatErrors, mergeErrors } from '../report/errors.js'
import type { Findings } from '../report/result.js'
import { runScenario } from '../run-scenario.js'
import { startQueueGroup } from '../subjects/over-nats.js'
import { System } from '../system/system.js'
import type { Testbed } from '../testbed.js'

const RUNNERS = 4
const LONG = { ms: 3_000, everyMs: 1_200 }
const SHORT = { ms: 5, everyMs: 25 }
const TARGET_P99_MS = 50

interface Options {
  readonly duration: number
  readonly json?: string
}

interface Outcome {
  readonly name: string
  readonly shortCalls: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly longP99Ms: number
  readonly errors: Readonly<Record<string, number>>
}

/** @param signal ends the load test early */
export function longShortCommand(signal: AbortSignal): Command {
  return new Command('long-short')
    .description('short calls beside long ones, through Callgate and a NATS queue group')
    .option('--duration <seconds>', 'length of each half', positiveInteger, 30)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'long-short', options, (testbed) => run(testbed, options))
    })
}

async function run(testbed: Testbed, options: Options): Promise<Findings> {
  const system = await System.start(testbed, { gateways: 1 })
  await system.startRunners([{ functionName: 'work', processes: RUNNERS }])
  const callgate = await mix(testbed, 'callgate', system.origin, system.authorization, options)
  const { origin } = await startQueueGroup(testbed, system.nats, RUNNERS)
  const queueGroup = await mix(testbed, 'queue group', origin, system.authorization, options)
  const subjects = [callgate, queueGroup]
  return {
    title:
      `short calls beside long ones: ${RUNNERS} runners of one slot, ${LONG.ms} ms every ` +
      `${LONG.everyMs} ms beside ${SHORT.ms} ms every ${SHORT.everyMs} ms, ${options.duration} s`,
    tables: [{ columns: COLUMNS, rows: subjects.map(rowOf) }],
    charts: [],
    targets: [
      {
        name: 'p99 of the short calls with Callgate',
        unit: 'ms',
        comparison: 'at most',
        target: TARGET_P99_MS,
        value: callgate.p99Ms,
      },
    ],
    notes: [],
    errors: mergeErrors(subjects.map(({ errors }) => errors)),
    data: { subjects },
  }
}

async function mix(
  { signal }: Testbed,
  name: string,
  origin: string,
  authorization: string,
  { duration }: Options,
): Promise<Outcome> {
  const client = new HttpClient(origin, { authorization, 'content-type': 'application/json' })
  const [long, short] = [LONG, SHORT].map(
    ({ ms, everyMs }) =>
      new UnaryLoad(client, {
        functionName: 'work',
        idPrefix: `${ms} ms`,
        ms,
        perSecond: 1000 / everyMs,
      }),
  ) as [UnaryLoad, UnaryLoad]
  const end = new AbortController()
  const loads = [long, short].map((load) => load.run(AbortSignal.any([end.signal, signal])))
  try {
    await withProgress(duration * 1000, name, () => delay(duration * 1000, undefined, { signal }))
  } finally {
    end.abort()
    await Promise.all(loads)
    client.close()
  }
  return {
    name,
    shortCalls: short.outcomes.total,
    p50Ms: short.p50Ms(),
    p99Ms: short.p99Ms(),
    maxMs: short.latencyUs.max / 1000,
    longP99Ms: long.p99Ms(),
    errors: { ...faultsOf(long), ...faultsOf(short) },
  }
}

const COLUMNS = ['subject', 'short calls', 'p50 ms', 'p99 ms', 'max ms', 'long p99 ms', 'errors']

function rowOf(outcome: Outcome): string[] {
  return [
    outcome.name,
    String(outcome.shortCalls),
    outcome.p50Ms.toFixed(1),
    outcome.p99Ms.toFixed(1),
    outcome.maxMs.toFixed(0),
    outcome.longP99Ms.toFixed(0),
    formatErrors(outcome.errors),
  ]
}
