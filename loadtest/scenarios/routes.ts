// A gateway with few routes and one with ten thousand, in turns. Asks whether a call costs more where it
// could have gone to many more places, and what so many cost a gateway that starts.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { ALGORITHM, issueAccessToken } from '../access-token.js'
import { runClosedLoop } from '../clients/closed-loop.js'
import { firstAnswerMs } from '../clients/first-answer.js'
import { HttpClient } from '../clients/http-client.js'
import { positiveInteger, positiveNumber } from '../common-options.js'
import { freePort } from '../free-port.js'
import { heldBytes } from '../memory-watch.js'
import { processUsage } from '../process-usage.js'
import type { Findings } from '../report/result.js'
import { median } from '../report/statistics.js'
import {
  calledPaths,
  forbiddenPaths,
  ROUTES_OF_FUNCTION,
  unknownPaths,
  writeFunctions,
} from '../routes-to-call.js'
import { runScenario } from '../run-scenario.js'
import { Part } from '../system/part.js'
import { callgate } from '../system/system.js'
import type { Testbed } from '../testbed.js'

/** The one that is called, and one that nobody may call. */
const FEW_FUNCTIONS = 2
const CLIENTS = 32
const BODY = '{"n":1}'
const TARGET_RATIO = 1.05
const NOT_FOUND = 404
const DEPLOY_TIMEOUT_MS = 300_000

interface Options {
  readonly functions: number
  readonly rounds: number
  readonly seconds: number
  readonly starts: number
  readonly settleSeconds: number
  readonly json?: string
}

interface Kind {
  readonly name: string
  readonly status: number
  readonly paths: (functions: number) => readonly string[]
}

const KINDS: readonly Kind[] = [
  { name: 'one route', status: 200, paths: () => calledPaths().slice(0, 1) },
  { name: 'routes of all patterns', status: 200, paths: calledPaths },
  { name: 'routes of all functions, 403', status: 403, paths: forbiddenPaths },
  { name: 'unknown paths, 404', status: NOT_FOUND, paths: unknownPaths },
]

/** A gateway with its functions, beside the other one on the same nats-server. */
interface Side {
  readonly name: string
  readonly functions: number
  readonly origin: string
  readonly gateway: Part
  readonly deploySeconds: number
}

interface SideStart {
  readonly side: string
  readonly functions: number
  readonly deploySeconds: number
  readonly startMs: readonly number[]
  readonly heldBytes: number
}

interface KindFigures {
  readonly kind: string
  /** Of each round, few routes first. */
  readonly cpuUsPerCall: readonly (readonly [number, number])[]
}

interface Measured {
  readonly starts: readonly SideStart[]
  readonly kinds: readonly KindFigures[]
  readonly errors: Readonly<Record<string, number>>
}

/** @param signal ends the load test early */
export function routesCommand(signal: AbortSignal): Command {
  return new Command('routes')
    .description('a call through a gateway with few routes, and with ten thousand')
    .option('--functions <n>', `of ${ROUTES_OF_FUNCTION} routes each`, positiveInteger, 1_000)
    .option('--rounds <n>', 'of each kind of call', positiveInteger, 5)
    .option('--seconds <n>', 'length of each round, on each gateway', positiveNumber, 3)
    .option('--starts <n>', 'of each gateway', positiveInteger, 3)
    .option('--settle-seconds <n>', 'before a look at the memory', positiveNumber, 3)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'routes', options, async (testbed) =>
        findingsOf(await run(testbed, options), options),
      )
    })
}

async function run(testbed: Testbed, options: Options): Promise<Measured> {
  const { token, jwksFile } = await issueAccessToken(testbed.directory)
  const nats = await testbed.startNats()
  const authorization = `Bearer ${token}`
  const setUpSide = (name: string, functions: number) => {
    const flags = ['--nats-url', nats.url, '--namespace', name]
    return setUp(testbed, name, functions, flags, jwksFile)
  }
  const sides = [await setUpSide('few', FEW_FUNCTIONS), await setUpSide('many', options.functions)]
  const starts: SideStart[] = []
  for (const side of sides) {
    starts.push(await timeStarts(testbed, side, authorization, options))
  }
  const errors: Record<string, number> = {}
  const kinds: KindFigures[] = []
  for (const kind of KINDS) {
    const cpuUsOf = (side: Side, seconds: number) =>
      cpuUsPerCall(testbed, side, authorization, kind, seconds, errors)
    // Once for the compilers.
    for (const side of sides) await cpuUsOf(side, options.seconds)
    const rounds: [number, number][] = []
    for (let round = 0; round < options.rounds; round += 1) {
      // The one that goes first changes: whatever the machine does meanwhile meets both alike.
      const order = round % 2 === 0 ? [0, 1] : [1, 0]
      const cost: [number, number] = [0, 0]
      for (const index of order) cost[index] = await cpuUsOf(sides[index]!, options.seconds)
      rounds.push(cost)
    }
    kinds.push({ kind: kind.name, cpuUsPerCall: rounds })
  }
  return { starts, kinds, errors }
}

async function setUp(
  testbed: Testbed,
  name: string,
  functions: number,
  flags: readonly string[],
  jwksFile: string,
): Promise<Side> {
  const files = await writeFunctions(join(testbed.directory, name), functions)
  const fromMs = performance.now()
  await testbed.run('deploy', callgate('deploy', [...files, ...flags]), DEPLOY_TIMEOUT_MS)
  const deploySeconds = (performance.now() - fromMs) / 1000
  const runner = new Part(testbed, `${name} runner`, callgate('runner', [files[0]!, ...flags]))
  await runner.start()
  const port = await freePort()
  const listen = ['--host', '127.0.0.1', '--port', String(port), '--admin-port', '0']
  const verify = ['--jwks-file', jwksFile, '--algorithms', ALGORITHM]
  const command = callgate('gateway', [...flags, ...listen, ...verify])
  const gateway = new Part(testbed, `${name} gateway`, command)
  return { name, functions, origin: `http://127.0.0.1:${port}`, gateway, deploySeconds }
}

/** The last one stays. */
async function timeStarts(
  testbed: Testbed,
  { name, functions, origin, gateway, deploySeconds }: Side,
  authorization: string,
  { starts, settleSeconds }: Options,
): Promise<SideStart> {
  const question = { origin, authorization, path: calledPaths()[0]!, body: BODY, answer: BODY }
  const startMs: number[] = []
  for (let number = 0; number <= starts; number += 1) {
    if (number > 0) await gateway.child.stop()
    const fromMs = performance.now()
    await gateway.start()
    const ms = await firstAnswerMs(question, fromMs, testbed.signal)
    // The first one may have waited for the runner.
    if (number > 0) startMs.push(ms)
  }
  await delay(settleSeconds * 1000, undefined, { signal: testbed.signal })
  const held = await heldBytes([gateway.child.pid])
  return { side: name, functions, deploySeconds, startMs, heldBytes: held }
}

async function cpuUsPerCall(
  testbed: Testbed,
  { origin, gateway, functions }: Side,
  authorization: string,
  { paths, status }: Kind,
  seconds: number,
  errors: Record<string, number>,
): Promise<number> {
  const client = new HttpClient(origin, { authorization, 'content-type': 'application/json' })
  const { signal } = testbed
  const { pid } = gateway.child
  const before = await processUsage(pid)
  const loop = { clients: CLIENTS, seconds, paths: paths(functions), body: BODY, status, signal }
  const result = await runClosedLoop(client, loop)
  await gateway.child.assertAlive()
  const after = await processUsage(pid)
  client.close()
  await testbed.forgetOutputs()
  for (const [how, count] of Object.entries(result.errors)) errors[how] = (errors[how] ?? 0) + count
  const cpuUs = (after.cpuMs - before.cpuMs) * 1000
  // A round so short that the clock of CPU time did not move has no cost to compare.
  return cpuUs === 0 ? Number.NaN : cpuUs / result.calls
}

function findingsOf({ starts, kinds, errors }: Measured, options: Options): Findings {
  const [few, many] = [FEW_FUNCTIONS, options.functions].map((count) => count * ROUTES_OF_FUNCTION)
  const costs = kinds.map(({ kind, cpuUsPerCall: rounds }) => ({
    kind,
    few: medianOfMeasured(rounds.map(([cost]) => cost)),
    many: medianOfMeasured(rounds.map(([, cost]) => cost)),
    ratio: medianOfMeasured(rounds.map(([cost, other]) => other / cost)),
  }))
  return {
    title: `${few} routes of ${FEW_FUNCTIONS} functions, and ${many} of ${options.functions}`,
    tables: [
      {
        title: 'CPU µs of the gateway per call',
        columns: ['calls to', `${few} routes`, `${many} routes`, 'ratio'],
        rows: costs.map(({ kind, few, many, ratio }) => [
          kind,
          cell(few, 1),
          cell(many, 1),
          cell(ratio, 3),
        ]),
      },
      {
        title: 'The gateway',
        columns: ['functions', 'start to first answer ms', 'MiB', 'deploy s'],
        rows: starts.map(({ functions, startMs, heldBytes, deploySeconds }) => [
          String(functions),
          median(startMs).toFixed(0),
          (heldBytes / 1024 ** 2).toFixed(1),
          deploySeconds.toFixed(1),
        ]),
      },
    ],
    charts: [
      {
        title: 'CPU time of the gateway per call',
        kind: 'bar',
        x: { label: 'calls to', categories: costs.map(({ kind }) => kind) },
        y: { label: 'µs' },
        series: [
          { name: `${few} routes`, points: pointsOf(costs.map(({ few }) => few)) },
          { name: `${many} routes`, points: pointsOf(costs.map(({ many }) => many)) },
        ],
      },
    ],
    targets: costs.map(({ kind, ratio }) => ({
      name: `CPU per call with ${many} routes over that with ${few}: ${kind}`,
      unit: '',
      comparison: 'at most' as const,
      target: TARGET_RATIO,
      value: ratio,
    })),
    notes: [
      'The ratio is the median of the ratios of the rounds. One function has a runner; those that nobody ' +
        'may call are found, and refused for the scope that the token lacks.',
    ],
    errors,
    data: { starts, kinds },
  }
}

/** Not a number if no round measured anything. */
function medianOfMeasured(values: readonly number[]): number {
  return median(values.filter(Number.isFinite))
}

function cell(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : 'nothing'
}

function pointsOf(values: readonly number[]): readonly (readonly [number, number])[] {
  return values
    .map((value, index) => [index, value] as const)
    .filter(([, value]) => Number.isFinite(value))
}
