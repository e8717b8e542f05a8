// nats-server dies under load and comes back. Asks what clients saw meanwhile, and how soon they are
// served again.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { faultsOf } from '../clients/failures.js'
import { HttpClient } from '../clients/http-client.js'
import { RIGHT, UnaryLoad } from '../clients/unary-load.js'
import { positiveInteger } from '../common-options.js'
import { startProgress } from '../progress.js'
import { formatErrors, mergeErrors } from '../report/errors.js'
import type { Findings } from '../report/result.js'
import { runScenario } from '../run-scenario.js'
import { readRecordedRuns } from '../system/recorded-runs.js'
import { System } from '../system/system.js'
import type { Testbed } from '../testbed.js'

const RUNNERS = 2
const SLOTS = 64
const WORK_MS = 20
const WARMUP_MS = 2_000
const BETWEEN_MS = 5_000
/** The last failures of an outage; then it is over. */
const MOST_RECOVERY_MS = 30_000
const TARGET_FIRST_SUCCESS_MS = 2_000

const FUNCTIONS = ['work', 'record'] as const

interface Options {
  readonly rate: number
  readonly outages: number
  readonly outageMs: number
  readonly json?: string
}

interface Outcome {
  readonly name: string
  readonly perSecond: number
  readonly outcomes: Readonly<Record<string, number>>
  /** From the server's return to the first success, of each outage. */
  readonly firstSuccessMs: readonly number[]
  readonly errors: Readonly<Record<string, number>>
}

/** @param signal ends the load test early */
export function restartNatsCommand(signal: AbortSignal): Command {
  return new Command('restart-nats')
    .description('nats-server dies under load and comes back: what clients see')
    .option('--rate <calls>', 'calls a second, half of them idempotent', positiveInteger, 500)
    .option('--outages <n>', 'times that it dies', positiveInteger, 5)
    .option('--outage-ms <n>', 'until it is started again', positiveInteger, 3000)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'restart-nats', options, (testbed) => run(testbed, options))
    })
}

async function run(testbed: Testbed, options: Options): Promise<Findings> {
  const recordFile = join(testbed.directory, 'recorded')
  const environment = { LOADTEST_SLOTS: String(SLOTS), LOADTEST_RECORD_FILE: recordFile }
  const system = await System.start(testbed, { gateways: 1 })
  await system.startRunners(
    FUNCTIONS.map((functionName) => ({ functionName, processes: RUNNERS, environment })),
  )
  const { authorization, origin } = system
  const client = new HttpClient(origin, { authorization, 'content-type': 'application/json' })
  const loads = FUNCTIONS.map(
    (functionName) =>
      new UnaryLoad(client, { functionName, ms: WORK_MS, perSecond: options.rate / 2 }),
  )
  const end = new AbortController()
  const signal = AbortSignal.any([end.signal, testbed.signal])
  const running = Promise.all(loads.map((load) => load.run(signal)))
  const firstSuccesses = loads.map((): number[] => [])
  const progress = startProgress(options.outages, 'before the first outage')
  try {
    await delay(WARMUP_MS, undefined, { signal })
    for (let number = 0; number < options.outages; number += 1) {
      progress.at(number, `outage ${number + 1}`)
      await system.killNats()
      await delay(options.outageMs, undefined, { signal })
      await system.startNatsAgain()
      const waits = await Promise.all(loads.map((load) => firstSuccess(load)))
      for (const [index, ms] of waits.entries()) firstSuccesses[index]!.push(ms)
      await delay(BETWEEN_MS, undefined, { signal })
    }
  } finally {
    progress.stop()
    end.abort()
    await running
    client.close()
  }
  const { twice } = await readRecordedRuns(recordFile)
  const subjects = loads.map((load, index): Outcome => {
    const errors = faultsOf(load, isAllowed)
    if (FUNCTIONS[index] === 'record') errors['ran twice'] = twice.length
    return {
      name: FUNCTIONS[index] === 'work' ? 'idempotent' : 'not idempotent',
      perSecond: load.startedPerSecond,
      outcomes: load.outcomes.counts,
      firstSuccessMs: firstSuccesses[index]!,
      errors,
    }
  })
  const { rate, outages, outageMs } = options
  return {
    title:
      `nats-server dies under load: ${rate} calls/s of ${WORK_MS} ms, kill -9 of nats-server, ` +
      `back after ${outageMs} ms, ${outages} ${outages === 1 ? 'time' : 'times'}`,
    tables: [{ columns: COLUMNS, rows: subjects.map(rowOf) }],
    charts: [],
    targets: subjects.map(({ name, firstSuccessMs }) => ({
      name: `calls that are ${name}: first success after nats-server is back`,
      unit: 'ms',
      comparison: 'at most',
      target: TARGET_FIRST_SUCCESS_MS,
      value: Math.max(...firstSuccessMs),
    })),
    notes: NOTES,
    errors: mergeErrors(subjects.map(({ errors }) => errors)),
    data: { subjects },
  }
}

/** Of calls that end from now on. */
function firstSuccess(load: UnaryLoad): Promise<number> {
  const fromMs = performance.now()
  return new Promise((resolve) => {
    const finish = (ms: number) => {
      clearTimeout(timer)
      load.onEnd = () => {}
      resolve(ms)
    }
    const timer = setTimeout(() => finish(Number.POSITIVE_INFINITY), MOST_RECOVERY_MS)
    load.onEnd = ({ outcome, endMs }) => {
      if (outcome === RIGHT) finish(endMs - fromMs)
    }
  })
}

/** Refusals that say when to come back; problem.ts has looked whether they do. */
function isAllowed(outcome: string): boolean {
  return outcome === RIGHT || /^503 (no_capacity|transport_unavailable)$/.test(outcome)
}

const COLUMNS = ['calls', 'calls/s', 'outcomes', 'first success after ms', 'faults']

function rowOf({ name, perSecond, outcomes, firstSuccessMs, errors }: Outcome): string[] {
  return [
    name,
    perSecond.toFixed(0),
    formatErrors(outcomes),
    firstSuccessMs.map((ms) => ms.toFixed(0)).join(', '),
    formatErrors(errors),
  ]
}

const NOTES = [
  'Faults: anything but 200 and 503 with Retry-After, and runs of one call that is not idempotent twice.',
]
