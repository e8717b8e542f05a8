// The curves: what grows in each, by which steps, and what is up for it. Each starts anew, so that none sees
// what another has left in caches, heaps and connections.

import { autocannonGenerator } from '../generators/autocannon.js'
import type { Generator, Load, LoadResult } from '../generators/load.js'
import { runGenerator } from '../generators/run-generator.js'
import { type TokensLoad, tokensBody } from '../generators/tokens.js'
import { wrkGenerator } from '../generators/wrk.js'
import { startNodeHttp, startUwsHello } from '../subjects/alone.js'
import type { Subject } from '../subjects/subject.js'
import { type Testbed, withTestbed } from '../testbed.js'
import { type Callgate, type CallgateForm, echoRunners, startCallgate } from './callgate.js'
import type { Curve } from './curve.js'
import { measurePoint, type Point, type ProcessGroup } from './point.js'

export interface CurveOptions {
  /** Of each point. */
  readonly seconds: number
  /** Steps beyond it are left out. */
  readonly upTo: number
  readonly generator: keyof typeof GENERATORS
  readonly signal: AbortSignal
}

type MeasureCurve = (options: CurveOptions) => Promise<Curve>

export const GENERATORS: Readonly<Record<'autocannon' | 'wrk', Generator>> = {
  autocannon: autocannonGenerator,
  wrk: wrkGenerator,
}

const BODY = '{"message":"hello","n":1}'
/** As many as keep a gateway busy, and few enough that none waits long. */
const CONNECTIONS = 64
const WARMUP_SECONDS = 2
const SLOTS_OF_TOKENS = 1000
const TOKEN_INTERVAL_MS = 250
const STREAM_GRACE_MS = 120_000
const CALLS = { unit: 'call', units: 'calls', latency: 'call' }

export const CURVES: Readonly<Record<string, MeasureCurve>> = {
  connections: measureConnections,
  payload: measurePayload,
  functions: measureFunctions,
  runners: measureRunners,
  gateways: measureGateways,
  streams: measureStreams,
}

function measureConnections(options: CurveOptions): Promise<Curve> {
  const steps = stepsOf([1, 4, 16, 64, 256, 1_000, 4_000, 10_000], options)
  return withTestbed(options.signal, async (testbed) => {
    const callgate = await startCallgate(testbed, { runners: echoRunners(1) })
    const floor = (subject: Subject): Target => ({
      name: subject.name,
      ...{ origin: subject.origin, headers: callgate.headers },
      groups: subject.processes.map(({ name, pid }) => ({ name, pids: [pid] })),
    })
    // They want the same bytes and look at none of the head.
    const targets: Target[] = [
      { name: 'callgate', ...callgate },
      floor(await startUwsHello(testbed)),
      floor(await startNodeHttp(testbed)),
    ]
    for (const target of targets) await warmUp(testbed, target, options)
    const subjects = targets.map(({ name }) => ({ name, points: [] as Point[] }))
    for (const connections of steps) {
      for (const [index, target] of targets.entries()) {
        const point = await measureCalls(testbed, target, connections, { connections }, options)
        subjects[index]!.points.push(point)
      }
    }
    return { name: 'connections', xLabel: 'connections', ...CALLS, subjects }
  })
}

function measurePayload(options: CurveOptions): Promise<Curve> {
  const steps = stepsOf([0, 100, 1024, 10 * 1024, 100 * 1024, 1024 * 1024], options)
  return withTestbed(options.signal, async (testbed) => {
    const callgate = await startCallgate(testbed, { runners: echoRunners(1) })
    const target = { name: 'callgate', ...callgate }
    await warmUp(testbed, target, options)
    const points: Point[] = []
    for (const bytes of steps) {
      // Bytes, not JSON: what is asked is what their way costs, and not their parsing.
      const headers = { 'content-type': 'application/octet-stream' }
      const load = { body: 'x'.repeat(bytes), headers }
      points.push(await measureCalls(testbed, target, bytes, load, options))
    }
    return curveOfCalls('payload', 'bytes of the request and of the answer', points)
  })
}

function measureFunctions(options: CurveOptions): Promise<Curve> {
  const formOf = (count: number): CallgateForm => ({
    runners: namesOf(count).map((functionName) => ({
      ...{ functionName, program: 'named-echo', processes: 1 },
      environment: { LOADTEST_FUNCTION_NAME: functionName },
    })),
  })
  const loadOf = (count: number) => ({ paths: namesOf(count).map((name) => `/${name}`) })
  return measureForms('functions', 'functions, each with one runner', [1, 5, 20], options, {
    ...{ formOf, loadOf },
  })
}

function measureRunners(options: CurveOptions): Promise<Curve> {
  const formOf = (count: number) => ({ runners: echoRunners(count) })
  return measureForms('runners', 'runners of one function', [1, 2, 4, 8], options, { formOf })
}

function measureGateways(options: CurveOptions): Promise<Curve> {
  const formOf = (count: number) => ({ gateways: count, runners: echoRunners(1) })
  return measureForms('gateways', 'gateways on one port', [1, 2, 3, 4], options, { formOf })
}

async function measureStreams(options: CurveOptions): Promise<Curve> {
  const steps = stepsOf([1, 10, 100, 1_000, 5_000], options)
  const processes = Math.ceil(Math.max(...steps) / SLOTS_OF_TOKENS)
  return withTestbed(options.signal, async (testbed) => {
    const callgate = await startCallgate(testbed, {
      runners: [{ functionName: 'tokens', processes }],
    })
    const tokens = Math.max(1, Math.round((options.seconds * 1000) / TOKEN_INTERVAL_MS))
    const url = new URL('/tokens', callgate.origin).href
    const generate = (streams: number, count: number): Promise<LoadResult> => {
      const load: TokensLoad = {
        ...{ url, headers: callgate.headers, streams },
        ...{ tokens: count, intervalMs: TOKEN_INTERVAL_MS, seconds: 0 },
      }
      const timeoutMs = options.seconds * 1000 + STREAM_GRACE_MS
      return runGenerator(testbed, 'generators/tokens-process', load, timeoutMs)
    }
    const headers = { ...callgate.headers, 'content-type': 'application/json' }
    await assertAnswers(url, headers, tokensBody({ tokens: 1, intervalMs: 0 }))
    await generate(1, 1)
    const points: Point[] = []
    for (const streams of steps) {
      points.push(await measurePoint(streams, callgate.groups, () => generate(streams, tokens)))
      tell('streams', points.at(-1)!)
      await testbed.forgetOutputs()
    }
    return {
      ...{ name: 'streams', xLabel: 'event streams at once', unit: 'token', units: 'tokens' },
      latency: `first token (of which ${TOKEN_INTERVAL_MS} ms its own)`,
      subjects: [{ name: 'callgate', points }],
    }
  })
}

/** A curve whose every step is another system. */
async function measureForms(
  name: string,
  xLabel: string,
  allSteps: readonly number[],
  options: CurveOptions,
  { formOf, loadOf }: { formOf: (step: number) => CallgateForm; loadOf?: LoadOfStep },
): Promise<Curve> {
  const points: Point[] = []
  for (const step of stepsOf(allSteps, options)) {
    const point = await withTestbed(options.signal, async (testbed) => {
      const target: Target = { name, ...(await startCallgate(testbed, formOf(step))) }
      const load = loadOf?.(step) ?? {}
      await warmUp(testbed, target, options, load)
      return measureCalls(testbed, target, step, load, options)
    })
    points.push(point)
  }
  return curveOfCalls(name, xLabel, points)
}

type LoadOfStep = (step: number) => Partial<Load>

interface Target extends Callgate {
  readonly name: string
  readonly groups: readonly ProcessGroup[]
}

async function warmUp(
  testbed: Testbed,
  target: Target,
  options: CurveOptions,
  load: Partial<Load> = {},
): Promise<void> {
  const seconds = Math.min(WARMUP_SECONDS, options.seconds)
  await GENERATORS[options.generator](testbed, loadOn(target, seconds, load))
  await testbed.forgetOutputs()
}

async function measureCalls(
  testbed: Testbed,
  target: Target,
  x: number,
  part: Partial<Load>,
  options: CurveOptions,
): Promise<Point> {
  const load = loadOn(target, options.seconds, part)
  for (const path of load.paths ?? [new URL(load.url).pathname]) {
    await assertAnswers(new URL(path, load.url).href, load.headers, load.body, load.body)
  }
  const point = await measurePoint(x, target.groups, () =>
    GENERATORS[options.generator](testbed, load),
  )
  await testbed.assertAlive()
  await testbed.forgetOutputs()
  tell(target.name, point)
  return point
}

function loadOn({ origin, headers }: Target, seconds: number, part: Partial<Load>): Load {
  return {
    url: new URL('/echo', origin).href,
    ...{ body: BODY, connections: CONNECTIONS, pipelining: 1, seconds },
    ...part,
    headers: { 'content-type': 'application/json', ...part.headers, ...headers },
  }
}

async function assertAnswers(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  expected?: string,
): Promise<void> {
  const response = await fetch(url, {
    ...{ method: 'POST', body, headers: { ...headers, connection: 'close' } },
    signal: AbortSignal.timeout(5_000),
  })
  const text = await response.text()
  if (response.ok && (expected === undefined || text === expected)) return
  throw new Error(`${url} answered ${response.status}, ${text.length} bytes, not what it should.`)
}

function curveOfCalls(name: string, xLabel: string, points: readonly Point[]): Curve {
  return { name, xLabel, ...CALLS, subjects: [{ name: 'callgate', points }] }
}

function stepsOf(steps: readonly number[], { upTo }: CurveOptions): number[] {
  return steps.filter((step, index) => index === 0 || step <= upTo)
}

function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `echo-${index + 1}`)
}

function tell(name: string, { x, load }: Point): void {
  const rate = (load.count / load.seconds).toLocaleString('en', { maximumSignificantDigits: 3 })
  console.error(`${name} at ${x}: ${rate}/s`)
}
