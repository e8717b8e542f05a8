// Runners die under load, one every two seconds, and are started again by what keeps them alive. Asks
// which calls notice: none of those that may run twice, and of the others those that were there.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { HttpClient } from '../clients/http-client.js'
import { type UnaryCall, UnaryLoad } from '../clients/unary-load.js'
import { positiveInteger } from '../common-options.js'
import { startProgress, tell } from '../progress.js'
import { formatErrors, mergeErrors } from '../report/errors.js'
import type { Findings } from '../report/result.js'
import { runScenario } from '../run-scenario.js'
import { type RecordedRuns, readRecordedRuns } from '../system/recorded-runs.js'
import { System } from '../system/system.js'
import type { Testbed } from '../testbed.js'

const RUNNERS = 4
const SLOTS = 32
const WORK_MS = 5
const WARMUP_MS = 2_000
/** An answer of a call that had ended so shortly before the kill may have died with its process. */
const ANSWER_ON_ITS_WAY_MS = 1_000
const TARGET_NOTICED_MS = 1_000

interface Options {
  readonly rate: number
  readonly kills: number
  readonly everyMs: number
  readonly json?: string
}

interface Kill {
  readonly pid: number
  readonly ms: number
}

interface Outcome {
  readonly name: string
  readonly perSecond: number
  readonly latenessP99Ms: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly kills: number
  /** From the kill to the end of the last call that failed for it. */
  readonly noticedMs: number
  /** Of the calls that failed: where they were when their runner was killed. */
  readonly running: number
  readonly onTheirWay: number
  readonly answered: number
  readonly errors: Readonly<Record<string, number>>
}

/** @param signal ends the load test early */
export function killRunnersCommand(signal: AbortSignal): Command {
  return new Command('kill-runners')
    .description('runners that die under load: which calls notice')
    .option('--rate <calls>', 'calls a second', positiveInteger, 2000)
    .option('--kills <n>', 'runners killed in each half', positiveInteger, 10)
    .option('--every-ms <n>', 'between two kills', positiveInteger, 2000)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'kill-runners', options, (testbed) => run(testbed, options))
    })
}

async function run(testbed: Testbed, options: Options): Promise<Findings> {
  const recordFile = join(testbed.directory, 'recorded')
  const environment = { LOADTEST_SLOTS: String(SLOTS), LOADTEST_RECORD_FILE: recordFile }
  const system = await System.start(testbed, { gateways: 1 })
  const outcomes: Outcome[] = []
  for (const functionName of ['work', 'record'] as const) {
    await system.startRunners([{ functionName, processes: RUNNERS, environment }])
    const { load, kills } = await loadAndKill(system, functionName, options)
    const recorded = functionName === 'record' ? await readRecordedRuns(recordFile) : undefined
    outcomes.push(outcomeOf(functionName, load, kills, recorded))
    tell(`${functionName}: ${formatErrors(load.outcomes.counts)}`)
  }
  return {
    title:
      `runners die under load: ${RUNNERS} runners of ${SLOTS} slots, ${options.rate} calls/s of ` +
      `${WORK_MS} ms, kill -9 of one every ${options.everyMs} ms`,
    tables: [{ columns: COLUMNS, rows: outcomes.map(rowOf) }],
    charts: [],
    targets: outcomes.filter(hasNoticed).map(({ name, noticedMs }) => ({
      name: `calls that are ${name}: last failure after a kill`,
      unit: 'ms',
      comparison: 'at most',
      target: TARGET_NOTICED_MS,
      value: noticedMs,
    })),
    notes: NOTES,
    errors: mergeErrors(outcomes.map(({ errors }) => errors)),
    data: { subjects: outcomes },
  }
}

async function loadAndKill(system: System, functionName: 'work' | 'record', options: Options) {
  const { authorization, origin, testbed } = system
  const client = new HttpClient(origin, { authorization, 'content-type': 'application/json' })
  const end = new AbortController()
  const load = new UnaryLoad(client, { functionName, ms: WORK_MS, perSecond: options.rate })
  const running = load.run(AbortSignal.any([end.signal, testbed.signal]))
  const kills: Kill[] = []
  const progress = startProgress(options.kills, functionName)
  try {
    await delay(WARMUP_MS, undefined, { signal: testbed.signal })
    while (kills.length < options.kills) {
      // The one that was not killed for longest.
      const candidates = await system.runnerProcesses(functionName)
      const victim = candidates.sort((a, b) => a.startedAt.localeCompare(b.startedAt))[0]
      if (victim !== undefined) {
        kills.push({ pid: victim.pid, ms: performance.now() })
        process.kill(victim.pid, 'SIGKILL')
      }
      progress.at(kills.length, `${functionName}: one was killed`)
      await delay(options.everyMs, undefined, { signal: testbed.signal })
    }
  } finally {
    progress.stop()
    end.abort()
    await running
    client.close()
  }
  return { load, kills }
}

function outcomeOf(
  functionName: 'work' | 'record',
  load: UnaryLoad,
  kills: readonly Kill[],
  recorded: RecordedRuns | undefined,
): Outcome {
  const errors: Record<string, number> = {}
  const fault = (what: string) => {
    errors[what] = (errors[what] ?? 0) + 1
  }
  let noticedMs = 0
  let running = 0
  let onTheirWay = 0
  let answered = 0
  for (const call of load.failures) {
    const kill = kills.findLast(({ ms }) => ms <= call.endMs)
    const verdict = recorded === undefined ? call.outcome : faultOf(call, kill, recorded)
    if (verdict !== undefined) {
      fault(verdict)
      tell(`${call.id}: ${verdict}`)
      continue
    }
    noticedMs = Math.max(noticedMs, call.endMs - kill!.ms)
    const ran = recorded!.runs.get(call.id)
    if (ran === undefined) onTheirWay += 1
    else if (ran.hasEnded) answered += 1
    else running += 1
  }
  for (const id of recorded?.twice ?? []) {
    fault('ran twice')
    tell(`${id}: ran twice`)
  }
  return {
    name: functionName === 'work' ? 'idempotent' : 'not idempotent',
    perSecond: load.startedPerSecond,
    latenessP99Ms: load.latenessUs.percentile(99) / 1000,
    p50Ms: load.p50Ms(),
    p99Ms: load.p99Ms(),
    outcomes: load.outcomes.counts,
    kills: kills.length,
    ...{ noticedMs, running, onTheirWay, answered, errors },
  }
}

/** What is wrong with a failure of a call that must not run twice, or undefined. */
function faultOf(
  call: UnaryCall,
  kill: Kill | undefined,
  { runs }: RecordedRuns,
): string | undefined {
  if (call.outcome !== '502 runner_lost') return call.outcome
  if (kill === undefined) return 'runner_lost, and none was killed'
  const ran = runs.get(call.id)
  if (ran !== undefined && ran.pid !== kill.pid) return 'runner_lost, on one that lives'
  const isOld = ran?.hasEnded && call.endMs - kill.ms > ANSWER_ON_ITS_WAY_MS
  return isOld ? 'runner_lost, long after it had run' : undefined
}

function hasNoticed({ running, onTheirWay, answered }: Outcome): boolean {
  return running + onTheirWay + answered > 0
}

const COLUMNS = [
  'calls',
  'calls/s',
  'p50 ms',
  'p99 ms',
  'outcomes',
  'kills',
  'lost: running',
  'lost: on their way',
  'lost: answered',
  'noticed within ms',
  'faults',
]

function rowOf(outcome: Outcome): string[] {
  return [
    outcome.name,
    outcome.perSecond.toFixed(0),
    outcome.p50Ms.toFixed(1),
    outcome.p99Ms.toFixed(1),
    formatErrors(outcome.outcomes),
    String(outcome.kills),
    String(outcome.running),
    String(outcome.onTheirWay),
    String(outcome.answered),
    hasNoticed(outcome) ? outcome.noticedMs.toFixed(0) : '-',
    formatErrors(outcome.errors),
  ]
}

const NOTES = [
  'Faults: any failure of an idempotent call; of the others, any that is not runner_lost, that had not ' +
    'been given to the runner that was killed, or that ran twice. On their way: sent to it and not begun. ' +
    'Answered: ended, with the answer still in it.',
]
