// Many event streams at once, each of many small events. Asks what an event costs on its way through
// runner, NATS and gateway, and how long the first of each stream takes.

import { Command } from 'commander'
import { addCommonOptions, type CommonOptions, positiveInteger } from '../common-options.js'
import type { LoadResult } from '../generators/load.js'
import { runGenerator } from '../generators/run-generator.js'
import { type TokensLoad, tokensBody, tokensEvents } from '../generators/tokens.js'
import {
  comparison,
  ratiosBetween,
  type SubjectReport,
  subjectReport,
} from '../report/compared-subjects.js'
import type { Findings, Target } from '../report/result.js'
import { alternate } from '../rounds.js'
import { runScenario } from '../run-scenario.js'
import { setStage } from '../stage.js'
import { startNodeSse } from '../subjects/alone.js'
import { startCallgate } from '../subjects/callgate.js'
import { startLitserve, startRayServe } from '../subjects/model-servers.js'
import { startHaproxy, startNginx, startWorkerd } from '../subjects/proxies.js'
import type { StartSubject, Subject } from '../subjects/subject.js'
import type { Testbed } from '../testbed.js'

const SUBJECTS: Readonly<Record<string, StartSubject>> = {
  callgate: startCallgate,
  'node-sse': startNodeSse,
  haproxy: startHaproxy('node-sse'),
  nginx: startNginx('node-sse'),
  workerd: startWorkerd('node-sse'),
  litserve: startLitserve('tokens'),
  'ray-serve': startRayServe,
}

const RATE_TARGET = 1.5

const TERMS = {
  unit: 'token',
  units: 'tokens',
  latency: 'first token',
  errors: 'wrong or missing',
}

const PATH = '/tokens'
/** Of the example. */
const SLOTS_OF_TOKENS = 1000
const CHECK_TOKENS = 3
const WARMUP_SECONDS = 2

// More than a stalled stream takes to be given up.
const TIMEOUT_MS = 120_000

interface SseOptions extends CommonOptions {
  readonly streams: number
  readonly tokens: number
  readonly intervalMs: number
  readonly duration: number
}

/** @param signal ends the load test early */
export function sseCommand(signal: AbortSignal): Command {
  const command = new Command('sse')
    .description('event streams through Callgate, and straight from node:http')
    .option('--streams <n>', 'streams at once', positiveInteger, 1000)
    .option('--tokens <n>', 'events of each stream', positiveInteger, 200)
    .option('--interval-ms <n>', 'between two events of a stream', Number, 0)
    .option('--duration <seconds>', 'after it no further stream begins in a round', Number, 5)
  return addCommonOptions(command, Object.keys(SUBJECTS), 3).action(async (options: SseOptions) => {
    await runScenario(signal, 'sse', options, (testbed) => runSse(testbed, options))
  })
}

async function runSse(testbed: Testbed, options: SseOptions): Promise<Findings> {
  const { streams, tokens, intervalMs, duration, rounds } = options
  const runners = Array.from({ length: Math.ceil(streams / SLOTS_OF_TOKENS) }, () => 'tokens')
  const stage = await setStage(testbed, SUBJECTS, runners, options)
  const headers = { authorization: stage.authorization }
  const results = await alternate(testbed, stage.subjects, {
    rounds,
    unit: TERMS.units,
    check: (subject) => checkAnswer(subject, headers),
    generate: (subject, isWarmup) => {
      const load: TokensLoad = {
        url: new URL(PATH, subject.origin).href,
        headers,
        streams,
        tokens,
        intervalMs,
        seconds: isWarmup ? Math.min(duration, WARMUP_SECONDS) : duration,
      }
      const timeoutMs = TIMEOUT_MS + duration * 1000 + tokens * intervalMs
      return runGenerator<LoadResult>(testbed, 'generators/tokens-process', load, timeoutMs)
    },
  })
  const reports = [...results].map(([name, measured]) => subjectReport(name, measured))
  return {
    title:
      `event streams: ${streams} streams of ${tokens} tokens, ${intervalMs} ms between two, ` +
      `${duration} s a round, ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`,
    ...comparison(reports, TERMS, ratiosBetween(reports, 'callgate', 'node-sse', TERMS)),
    targets: targetsOf(reports),
    notes: NOTES,
  }
}

function targetsOf(reports: readonly SubjectReport[]): Target[] {
  const [callgate, node] = ['callgate', 'node-sse'].map((name) =>
    reports.find((report) => report.name === name),
  )
  if (!callgate || !node) return []
  const value = callgate.perSecond / node.perSecond
  const name = 'tokens/s, of those of node-sse'
  return [{ name, unit: 'times', comparison: 'at least', target: RATE_TARGET, value }]
}

async function checkAnswer(subject: Subject, headers: Record<string, string>): Promise<void> {
  const response = await fetch(new URL(PATH, subject.origin), {
    method: 'POST',
    headers: {
      ...headers,
      accept: 'text/event-stream',
      'content-type': 'application/json',
      connection: 'close',
    },
    body: tokensBody({ tokens: CHECK_TOKENS, intervalMs: 0 }),
    signal: AbortSignal.timeout(5_000),
  })
  const text = await response.text()
  const expected = tokensEvents(CHECK_TOKENS).map((event) => `${event}\n\n`)
  if (response.ok && text === expected.join('')) return
  throw new Error(`${subject.name} answered ${response.status} and other events: ${text}`)
}

const NOTES = [
  'All connections of a round begin their first stream in the same moment, and each further one when the ' +
    'one before has ended. CPU time holds what it takes to connect.',
]
