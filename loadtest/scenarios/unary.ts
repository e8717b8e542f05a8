// One small JSON call and its small JSON answer, as fast as each connection gets them. Asks what the
// way through gateway, NATS and runner costs: against Fastify and NATS, which is what one would
// write without Callgate, and against servers that call nothing at all.

import { Command, Option } from 'commander'
import { addCommonOptions, type CommonOptions, positiveInteger } from '../common-options.js'
import { autocannonGenerator } from '../generators/autocannon.js'
import type { Load } from '../generators/load.js'
import { assertWrkInstalled, wrkGenerator } from '../generators/wrk.js'
import {
  comparison,
  cpuUsPerUnit,
  type SubjectReport,
  subjectReport,
} from '../report/compared-subjects.js'
import type { Findings, Target } from '../report/result.js'
import { alternate } from '../rounds.js'
import { runScenario } from '../run-scenario.js'
import { setStage } from '../stage.js'
import { startNodeHttp, startUwsHello } from '../subjects/alone.js'
import { startCallgate } from '../subjects/callgate.js'
import { startLitellm, startPortkey } from '../subjects/chat-gateways.js'
import { startLitserve, startRayServe } from '../subjects/model-servers.js'
import { startFastifyNats } from '../subjects/over-nats.js'
import { startHaproxy, startNginx, startWorkerd } from '../subjects/proxies.js'
import type { StartSubject, Subject } from '../subjects/subject.js'
import type { Testbed } from '../testbed.js'

const BODY = '{"message":"hello","n":1}'
const PATH = '/echo'
const WARMUP_SECONDS = 2

const SUBJECTS: Readonly<Record<string, StartSubject>> = {
  callgate: startCallgate,
  'uws-hello': startUwsHello,
  'node-http': startNodeHttp,
  'fastify-nats': startFastifyNats,
  haproxy: startHaproxy('node-http'),
  nginx: startNginx('node-http'),
  workerd: startWorkerd('node-http'),
  portkey: startPortkey(BODY),
  litellm: startLitellm(BODY),
  litserve: startLitserve('echo'),
  'ray-serve': startRayServe,
}

const GENERATORS = { autocannon: autocannonGenerator, wrk: wrkGenerator }

/** 35 µs where three processes with Fastify take 184, on the machine where both were first measured. */
const TARGETS = { fastifyRate: 6, fastifyCpu: 184 / 35, helloCpu: 2 }

const TERMS = { unit: 'call', units: 'calls', errors: 'errors' }

interface UnaryOptions extends CommonOptions {
  readonly connections: number
  readonly duration: number
  readonly pipelining: number
  readonly generator: keyof typeof GENERATORS
}

type Call = Pick<Load, 'headers' | 'body' | 'answerPart'> & { readonly path: string }

/** @param signal ends the load test early */
export function unaryCommand(signal: AbortSignal): Command {
  const command = new Command('unary')
    .description('small JSON calls through Callgate, and the same to its peers')
    .option('--connections <n>', 'connections held open', positiveInteger, 64)
    .option('--duration <seconds>', 'length of a round', positiveInteger, 8)
    .option('--pipelining <n>', 'calls that a connection has in flight', positiveInteger, 1)
    .addOption(
      new Option('--generator <name>', 'what makes the calls')
        .choices(Object.keys(GENERATORS))
        .default('autocannon'),
    )
  return addCommonOptions(command, Object.keys(SUBJECTS), 3).action(
    async (options: UnaryOptions) => {
      if (options.generator === 'wrk') await assertWrkInstalled()
      await runScenario(signal, 'unary', options, (testbed) => runUnary(testbed, options))
    },
  )
}

async function runUnary(testbed: Testbed, options: UnaryOptions): Promise<Findings> {
  const { connections, pipelining, rounds, duration } = options
  const { subjects, authorization } = await setStage(testbed, SUBJECTS, ['echo'], options)
  const headers = { 'content-type': 'application/json', authorization }
  const loadOn = (subject: Subject, seconds: number): Load => {
    const { path, ...call } = callOf(subject, headers)
    const url = new URL(path, subject.origin).href
    return { url, ...call, connections, pipelining, seconds }
  }
  const results = await alternate(testbed, subjects, {
    rounds,
    unit: TERMS.units,
    check: (subject) => checkAnswer(subject, headers),
    generate: (subject, isWarmup) => {
      const load = loadOn(subject, isWarmup ? WARMUP_SECONDS : duration)
      return GENERATORS[options.generator](testbed, load)
    },
  })
  const reports = [...results].map(([name, measured]) => subjectReport(name, measured))
  return {
    title: titleOf(options),
    ...comparison(reports, TERMS, []),
    targets: targetsOf(reports),
    notes: NOTES[options.generator],
  }
}

function callOf(subject: Subject, headers: Record<string, string>): Call {
  return subject.ownCall ?? { path: PATH, headers, body: BODY }
}

async function checkAnswer(subject: Subject, headers: Record<string, string>): Promise<void> {
  const call = callOf(subject, headers)
  const response = await fetch(new URL(call.path, subject.origin), {
    method: 'POST',
    headers: { ...call.headers, connection: 'close' },
    body: call.body,
    signal: AbortSignal.timeout(5_000),
  })
  const body = await response.text()
  const { answerPart } = call
  const isRight = answerPart === undefined ? body === call.body : body.includes(answerPart)
  if (response.ok && isRight) return
  throw new Error(`${subject.name} answered ${response.status} and something else: ${body}`)
}

function titleOf(options: UnaryOptions): string {
  const { connections, pipelining, rounds, duration, generator } = options
  return (
    `small JSON calls: ${connections} connections, pipelining ${pipelining}, ${duration} s a round, ` +
    `${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${generator}`
  )
}

function targetsOf(reports: readonly SubjectReport[]): Target[] {
  const [callgate, ...others] = ['callgate', 'fastify-nats', 'node-http', 'uws-hello'].map((name) =>
    reports.find((report) => report.name === name),
  )
  if (callgate === undefined) return []
  const [fastify, nodeHttp, hello] = others
  const gatewayUs = callgate.cpu.find(({ process }) => process === 'gateway')!.usPerUnit
  const times = { unit: 'times', comparison: 'at least' } as const
  const targets: Target[] = []
  if (fastify) {
    targets.push(
      {
        ...times,
        name: 'calls/s, of those of fastify-nats',
        target: TARGETS.fastifyRate,
        value: callgate.perSecond / fastify.perSecond,
      },
      {
        ...times,
        name: 'CPU per call of all processes of fastify-nats, of those of callgate',
        target: TARGETS.fastifyCpu,
        value: cpuUsPerUnit(fastify) / cpuUsPerUnit(callgate),
      },
    )
  }
  if (nodeHttp) {
    const value = callgate.perSecond / nodeHttp.perSecond
    targets.push({ ...times, name: 'calls/s, of those of node-http', target: 1, value })
  }
  if (hello) {
    targets.push({
      name: 'CPU per call of the gateway, of that of uws-hello',
      unit: 'times',
      comparison: 'at most',
      target: TARGETS.helloCpu,
      value: gatewayUs / cpuUsPerUnit(hello),
    })
  }
  return targets
}

const CPU_NOTE =
  'CPU µs per call is the steadier measure, not an absolute one: a subject that is busy takes more ' +
  'calls a turn of its loop and pays less for each. Compare within one table.'

const NOTES = {
  autocannon: [
    'autocannon shares the cores with what it measures and costs more CPU time per call than the ' +
      'fast subjects do, so their calls/s and latencies are bounded by it; --generator wrk takes less.',
    CPU_NOTE,
  ],
  wrk: [
    'wrk shares the cores with what it measures, so calls/s of the fast subjects are bounded by it. ' +
      'It does not compare bodies; one answer a round is compared beside it.',
    CPU_NOTE,
  ],
}
