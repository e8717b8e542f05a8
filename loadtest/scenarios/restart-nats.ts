// nats-server dies under load and comes back. Asks what clients saw meanwhile, and how soon they are
// served again.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { faultsOf } from '../clients/failures.js'
import { HttpClient } from '../clients/http-client.js'
import { RIGHT, UnaryLoad } from '../clients/unary-load.js'
import { positiveInteger } from '../common-options.js'
import { machineLine } from '../machine.js'
import { tellOutcome } from '../outcome.js'
import { formatErrors } from '../report.js'
import { readRecordedRuns } from '../system/recorded-runs.js'
import { System } from '../system/system.js'
import { formatTable, joinParagraphs } from '../table.js'
import { type Testbed, withTestbed } from '../testbed.js'

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
      const machine = machineLine()
      const subjects = await withTestbed(signal, (testbed) => run(testbed, options))
      const { rate, outages, outageMs } = options
      const text = joinParagraphs([
        [
          `restart-nats: ${rate} calls/s of ${WORK_MS} ms, kill -9 of nats-server, ` +
            `back after ${outageMs} ms, ${outages} times\n${machine}`,
        ],
        formatTable(COLUMNS, subjects.map(rowOf)),
        NOTES,
      ])
      await tellOutcome(text, { subjects }, options.json)
    })
}

async function run(testbed: Testbed, options: Options): Promise<Outcome[]> {
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
  try {
    await delay(WARMUP_MS, undefined, { signal })
    for (let number = 0; number < options.outages; number += 1) {
      await system.killNats()
      await delay(options.outageMs, undefined, { signal })
      await system.startNatsAgain()
      const waits = await Promise.all(loads.map((load) => firstSuccess(load)))
      for (const [index, ms] of waits.entries()) firstSuccesses[index]!.push(ms)
      await delay(BETWEEN_MS, undefined, { signal })
    }
  } finally {
    end.abort()
    await running
    client.close()
  }
  const { twice } = await readRecordedRuns(recordFile)
  return loads.map((load, index) => {
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
  `Target: the first success ${TARGET_FIRST_SUCCESS_MS} ms after nats-server is back.`,
]
