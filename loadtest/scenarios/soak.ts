// Everything at once, for a long time: calls of all forms with all their outcomes, while runners, a gateway
// and nats-server die, stop and come back. Asks whether any call ends in a way that it must not, and
// whether anything is left over when it is quiet again.

import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { HttpClient } from '../clients/http-client.js'
import { atPace } from '../clients/pace.js'
import { Tally } from '../clients/tally.js'
import { positiveInteger, positiveNumber } from '../common-options.js'
import { tell, withProgress } from '../progress.js'
import { Random } from '../random.js'
import { formatErrors } from '../report/errors.js'
import type { Findings } from '../report/result.js'
import { sum } from '../report/statistics.js'
import { runScenario } from '../run-scenario.js'
import { makeChaos } from '../soak/chaos.js'
import { Disturbances } from '../soak/disturbances.js'
import { type Caller, FORMS, QUEUE_WAIT_MS } from '../soak/forms.js'
import { MemorySeries, type MemoryTrend } from '../soak/memory-series.js'
import { RIGHT, type Verdict } from '../soak/verdict.js'
import { readyRunners, unrest } from '../system/fleet.js'
import { readRecordedRuns } from '../system/recorded-runs.js'
import { type RunnersOf, System } from '../system/system.js'
import type { Testbed } from '../testbed.js'

const GATEWAYS = 2
/** For what was given up to settle, and for a runner that died to be back. */
const REST_MS = 60_000
const REST_POLL_MS = 500
/** So few that calls queue, and some are refused; of the clocks so many that each call meets its own. */
const SLOTS = { work: 5, record: 3, stall: 16 }
const MOST_FAULTS_TOLD = 200
/** The gateways log this when nats-server was killed, and of runners that run into their clocks. */
const EXPECTED_ERROR = /^connection to NATS is lost|^runner isolated: it has not answered/

interface Options {
  readonly minutes: number
  readonly rate: number
  readonly chaosEveryMs: number
  readonly seed: number
  readonly json?: string
}

interface Outcome {
  readonly forms: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly disturbances: Readonly<Record<string, number>>
  readonly memory: readonly MemoryTrend[]
  /** The longest time in which the clients did nothing: what they took for slow may be their own. */
  readonly clientStallMs: number
  readonly errors: Readonly<Record<string, number>>
}

/** @param signal ends the load test early */
export function soakCommand(signal: AbortSignal): Command {
  return new Command('soak')
    .description('calls of all forms for a long time, while parts of the system die and come back')
    .option('--minutes <n>', 'of load', positiveNumber, 10)
    .option('--rate <calls>', 'calls a second', positiveInteger, 360)
    .option('--chaos-every-ms <n>', 'between two disturbances, on average', positiveInteger, 6000)
    .option('--seed <n>', 'of all that is random', positiveInteger, 1)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'soak', options, async (testbed) =>
        findingsOf(await run(testbed, options), options),
      )
    })
}

function findingsOf(outcome: Outcome, options: Options): Findings {
  const { minutes, rate, chaosEveryMs, seed } = options
  const { forms, disturbances, memory, clientStallMs, errors } = outcome
  return {
    title:
      `everything at once: ${minutes} minutes, ${rate} calls/s, a disturbance every ` +
      `${chaosEveryMs} ms, seed ${seed}`,
    tables: [
      { columns: ['form', 'calls', 'right', 'left', 'otherwise'], rows: rowsOf(forms) },
      {
        columns: ['disturbance', 'times'],
        rows: Object.entries(disturbances).map(([name, times]) => [name, String(times)]),
      },
      { columns: ['memory', 'first MiB', 'last MiB', 'peak MiB'], rows: memory.map(memoryRow) },
    ],
    charts: [],
    targets: [],
    notes: [
      ...NOTES,
      `Longest stall of the clients themselves: ${clientStallMs.toFixed(0)} ms; what they took for ` +
        'slow may be their own.',
    ],
    errors,
    data: outcome,
  }
}

function runnersOf(recordFile: string): RunnersOf[] {
  const own = Object.entries(SLOTS).map(([functionName, slots]) => ({
    ...{ functionName, processes: 2 },
    environment: { LOADTEST_SLOTS: String(slots), LOADTEST_RECORD_FILE: recordFile },
  }))
  const examples = ['tokens', 'digest', 'download', 'chat', 'sleep', 'fail']
  return [...own, ...examples.map((functionName) => ({ functionName, processes: 1 }))]
}

async function run(testbed: Testbed, options: Options): Promise<Outcome> {
  const recordFile = join(testbed.directory, 'recorded')
  const gatewayFlags = ['--queue-wait-ms', String(QUEUE_WAIT_MS)]
  const system = await System.start(testbed, { gateways: GATEWAYS, gatewayFlags })
  const kinds = runnersOf(recordFile)
  await system.startRunners(kinds)
  const disturbances = new Disturbances()
  const faults = new Faults()
  const calls = new Calls(system, new Random(options.seed), disturbances, faults)
  const memory = memoryOf(system)
  const stalls = monitorEventLoopDelay()
  stalls.enable()

  const end = new AbortController()
  const signal = AbortSignal.any([end.signal, testbed.signal])
  const timer = setTimeout(() => end.abort(), options.minutes * 60_000)
  const watching = memory.watch(signal)
  const loading = calls.run(options.rate, signal)
  try {
    const chaos = {
      system,
      // Not that of the calls: how many there are depends on time.
      random: new Random(options.seed + 1),
      disturbances,
      functionNames: kinds.map(({ functionName }) => functionName),
      everyMs: options.chaosEveryMs,
    }
    await withProgress(options.minutes * 60_000, 'soak', () => makeChaos(chaos, signal))
  } finally {
    clearTimeout(timer)
    end.abort()
    await Promise.all([loading, watching])
    calls.close()
  }
  for (const fault of await restlessness(system, kinds)) faults.add('at the end', fault)
  await checkRecorded(recordFile, calls.rightRecords, faults)
  await checkLogs(system, faults)
  return {
    forms: calls.outcomes,
    disturbances: disturbances.counts,
    memory: memory.trends,
    clientStallMs: stalls.max / 1e6,
    errors: faults.counts,
  }
}

class Faults {
  readonly #tally = new Tally()

  /** @param where the call's id, or what else has the fault */
  add(where: string, what: string): void {
    this.#tally.add(what)
    if (this.#tally.total <= MOST_FAULTS_TOLD) tell(`fault: ${where}: ${what}`)
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#tally.counts
  }
}

/** Makes them, and judges each. */
class Calls {
  /** Answered rightly, so they must have run. */
  readonly rightRecords: string[] = []
  readonly #caller: Caller
  readonly #disturbances: Disturbances
  readonly #faults: Faults
  readonly #tallies = new Map(Object.keys(FORMS).map((form) => [form, new Tally()]))
  /** Each form as often as its share. */
  readonly #urn = Object.entries(FORMS).flatMap(([form, { share }]) => Array(share).fill(form))

  constructor(system: System, random: Random, disturbances: Disturbances, faults: Faults) {
    const { origin, authorization } = system
    this.#caller = {
      ...{ origin, authorization, random },
      client: new HttpClient(origin, { authorization }),
      stranger: new HttpClient(origin),
    }
    this.#disturbances = disturbances
    this.#faults = faults
  }

  async run(perSecond: number, signal: AbortSignal): Promise<void> {
    const open = new Set<Promise<void>>()
    await atPace({ perSecond, signal }, (_dueMs, index) => {
      const call = this.#call(this.#caller.random.pick(this.#urn), index)
      open.add(call.finally(() => open.delete(call)))
    })
    await Promise.all(open)
  }

  get outcomes(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries([...this.#tallies].map(([form, { counts }]) => [form, counts]))
  }

  close(): void {
    this.#caller.client.close()
    this.#caller.stranger.close()
  }

  async #call(form: string, index: number): Promise<void> {
    const id = `${form.replace(' ', '-')}-${index}`
    const startMs = performance.now()
    const verdict = await FORMS[form]!.call(this.#caller, id)
    this.#tallies.get(form)!.add(verdict.outcome)
    if (form === 'record' && verdict.outcome === RIGHT) this.rightRecords.push(id)
    if (this.#isFault(verdict, startMs)) {
      const afterMs = (performance.now() - startMs).toFixed(0)
      const details = [verdict.detail ?? [], this.#disturbances.last].flat().join('; ')
      this.#faults.add(`${id} after ${afterMs} ms (${details})`, `${form}: ${verdict.outcome}`)
    }
  }

  #isFault({ because }: Verdict, startMs: number): boolean {
    if (because === undefined) return false
    return !this.#disturbances.explain(because, startMs, performance.now())
  }
}

function memoryOf(system: System): MemorySeries {
  return new MemorySeries([
    ...system.gateways.map(({ name, lives }) => ({ name, pids: () => [lives.at(-1)!.pid] })),
    { name: 'runners', pids: () => system.runners.map(({ child }) => child.pid) },
    { name: 'nats-server', pids: () => [system.nats.pid] },
  ])
}

/** What does not come to rest, now that nobody calls. */
async function restlessness(system: System, kinds: readonly RunnersOf[]): Promise<string[]> {
  const deadline = performance.now() + REST_MS
  for (;;) {
    const faults = (await system.fleets()).flatMap((fleet, index) => {
      const missing = kinds.filter(
        ({ functionName, processes }) => readyRunners(fleet, functionName).length !== processes,
      )
      const found = [
        ...fleet.functions.flatMap(unrest),
        ...missing.map(({ functionName }) => `${functionName}: not all of its runners`),
      ]
      return found.map((fault) => `gateway ${index + 1}: ${fault}`)
    })
    if (faults.length === 0 || performance.now() > deadline) return faults
    await delay(REST_POLL_MS)
  }
}

async function checkRecorded(file: string, right: readonly string[], faults: Faults) {
  const { runs, twice } = await readRecordedRuns(file)
  for (const id of twice) faults.add(id, 'ran twice')
  for (const id of right) {
    if (!runs.get(id)?.hasEnded) faults.add(id, 'was answered and has not run to its end')
  }
}

async function checkLogs(system: System, faults: Faults): Promise<void> {
  for (const child of system.gateways.flatMap(({ lives }) => lives)) {
    for (const { msg } of await child.errorLines()) {
      if (!EXPECTED_ERROR.test(String(msg))) faults.add(child.name, `logged "${msg}"`)
    }
  }
}

function rowsOf(forms: Outcome['forms']): string[][] {
  return Object.entries(forms).map(([form, counts]) => {
    const { [RIGHT]: right = 0, left = 0, ...others } = counts
    const calls = sum(Object.values(counts))
    return [form, ...[calls, right, left].map(String), formatErrors(others)]
  })
}

function memoryRow({ name, firstBytes, lastBytes, peakBytes }: MemoryTrend): string[] {
  return [name, ...[firstBytes, lastBytes, peakBytes].map((it) => (it / 1024 ** 2).toFixed(0))]
}

const NOTES = [
  'Right: the answer that the call had asked for, an error among them, and every byte of it compared. ' +
    'Otherwise: what it may get for something that had happened meanwhile, or because all slots were taken.',
  'Errors: everything else; a call that ran twice and must not; counters, slots or queues that are not at ' +
    "rest in the end; errors in a gateway's log.",
  'Memory: medians of a minute after the warm-up and of the last.',
]
