// What a user waits for when something starts: a gateway, and a function that was just written. Beside it,
// how much of that Node takes by itself and for loading what is started.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { ALGORITHM, issueAccessToken } from '../access-token.js'
import { firstAnswerMs, type Question } from '../clients/first-answer.js'
import { positiveInteger, positiveNumber } from '../common-options.js'
import { freePort } from '../free-port.js'
import type { Findings } from '../report/result.js'
import { median } from '../report/statistics.js'
import { runScenario } from '../run-scenario.js'
import { Part } from '../system/part.js'
import { callgate, programOf } from '../system/system.js'
import { REPOSITORY, type Testbed } from '../testbed.js'

const GATEWAY_TARGET_MS = 400
const FUNCTION_TARGET_MS = 500
const PROCESS_TIMEOUT_MS = 60_000
const NOT_FOUND = 404

interface Options {
  readonly starts: number
  readonly pauseSeconds: number
  readonly json?: string
}

/** One thing that was started again and again. */
interface Starts {
  readonly what: string
  readonly ms: readonly number[]
  readonly targetMs?: number
}

/** What all starts have in common. */
interface Surroundings {
  readonly natsUrl: string
  readonly jwksFile: string
  readonly authorization: string
}

/** @param signal ends the load test early */
export function coldpathCommand(signal: AbortSignal): Command {
  return new Command('coldpath')
    .description('from a start to the first answer: a gateway, and a new function')
    .option('--starts <n>', 'of each', positiveInteger, 10)
    .option('--pause-seconds <n>', 'before each new file of callgate dev', positiveNumber, 3)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'coldpath', options, async (testbed) =>
        findingsOf(await run(testbed, options), options),
      )
    })
}

async function run(testbed: Testbed, { starts, pauseSeconds }: Options): Promise<Starts[]> {
  const { token, jwksFile } = await issueAccessToken(testbed.directory)
  const nats = await testbed.startNats()
  const around = { natsUrl: nats.url, jwksFile, authorization: `Bearer ${token}` }
  return [
    { what: 'node -e 0', ms: await bareStarts(testbed, starts, ['-e', '0']) },
    {
      what: 'node, callgate --version',
      ms: await bareStarts(testbed, starts, [join(REPOSITORY, 'dist/cli/main.js'), '--version']),
    },
    {
      what: "node, importing the gateway's modules",
      ms: await bareStarts(testbed, starts, importing('gateway/main.js')),
    },
    {
      what: "node, importing the runner's modules",
      ms: await bareStarts(testbed, starts, importing('runner/process.js')),
    },
    ...(await gatewayAndRunners(testbed, around, starts)),
    {
      what: 'new file in the folder of callgate dev → first answer',
      ms: await devFiles(testbed, around, starts, pauseSeconds),
      targetMs: FUNCTION_TARGET_MS,
    },
  ]
}

async function bareStarts(
  testbed: Testbed,
  starts: number,
  args: readonly string[],
): Promise<number[]> {
  return repeated(starts, async () => {
    const fromMs = performance.now()
    await testbed.run('node', [process.execPath, ...args], PROCESS_TIMEOUT_MS)
    return performance.now() - fromMs
  })
}

async function gatewayAndRunners(
  testbed: Testbed,
  around: Surroundings,
  starts: number,
): Promise<Starts[]> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const gateway = new Part(testbed, 'gateway', callgate('gateway', gatewayFlags(around, port)))
  const runnerFlags = ['--nats-url', around.natsUrl]
  const ready = new Part(testbed, 'runner', callgate('runner', [programOf('work'), ...runnerFlags]))
  await ready.start()
  const body = JSON.stringify({ id: 'coldpath', ms: 0 })
  const { authorization } = around
  const question: Question = { origin, authorization, path: '/work', body, answer: body }

  const start = async (earlierStatus?: number) => {
    const fromMs = performance.now()
    await gateway.start()
    const again = earlierStatus === undefined ? {} : { earlierStatus }
    return firstAnswerMs({ ...question, ...again }, fromMs, testbed.signal)
  }
  // The runner may not be there yet.
  await start(NOT_FOUND)
  const gatewayMs = await repeated(starts, async () => {
    await gateway.child.stop()
    return start()
  })

  const folder = await functionFolder(testbed, 'for-runners')
  const runnerMs = await repeated(starts, async (number) => {
    const { file, ...asked } = await newFunction(folder, `alone-${number}`)
    const fromMs = performance.now()
    const runner = new Part(testbed, 'new runner', callgate('runner', [file, ...runnerFlags]))
    await runner.start()
    const again = { origin, authorization, earlierStatus: NOT_FOUND }
    const ms = await firstAnswerMs({ ...asked, ...again }, fromMs, testbed.signal)
    await runner.child.stop()
    return ms
  })
  return [
    { what: 'callgate gateway → first answer', ms: gatewayMs, targetMs: GATEWAY_TARGET_MS },
    {
      what: 'callgate runner with a new file → first answer',
      ms: runnerMs,
      targetMs: FUNCTION_TARGET_MS,
    },
  ]
}

async function devFiles(
  testbed: Testbed,
  around: Surroundings,
  starts: number,
  pauseSeconds: number,
): Promise<number[]> {
  const { authorization } = around
  const port = await freePort()
  const folder = await functionFolder(testbed, 'for-dev')
  const first = await newFunction(folder, 'first')
  // Another namespace: dev has functions and a gateway of its own.
  const own = ['--namespace', 'dev', '--state-dir', join(testbed.directory, 'dev')]
  const flags = [...gatewayFlags(around, port), ...own]
  await new Part(testbed, 'dev', callgate('dev', [folder, ...flags])).start()
  const about = { origin: `http://127.0.0.1:${port}`, authorization, earlierStatus: NOT_FOUND }
  await firstAnswerMs({ ...first, ...about }, performance.now(), testbed.signal)
  return repeated(starts, async (number) => {
    await delay(pauseSeconds * 1000, undefined, { signal: testbed.signal })
    const fromMs = performance.now()
    const asked = await newFunction(folder, `new-${number}`)
    return firstAnswerMs({ ...asked, ...about }, fromMs, testbed.signal)
  })
}

function gatewayFlags({ natsUrl, jwksFile }: Surroundings, port: number): string[] {
  const listen = ['--host', '127.0.0.1', '--port', String(port), '--admin-port', '0']
  return ['--nats-url', natsUrl, ...listen, '--jwks-file', jwksFile, '--algorithms', ALGORITHM]
}

async function functionFolder(testbed: Testbed, name: string): Promise<string> {
  const folder = join(testbed.directory, name)
  await mkdir(folder)
  return folder
}

/** Writes a function, and tells what it is to be asked. */
async function newFunction(folder: string, name: string) {
  const file = join(folder, `${name}.ts`)
  await writeFile(
    file,
    "import { defineFunction } from 'callgate'\n\n" +
      `export default defineFunction({ run: (input: unknown) => ({ name: '${name}', input }) })\n`,
  )
  return { file, path: `/${name}`, body: '{"n":1}', answer: `{"name":"${name}","input":{"n":1}}` }
}

function importing(module: string): string[] {
  const url = pathToFileURL(join(REPOSITORY, 'dist', module)).href
  return ['--input-type=module', '-e', `import '${url}'`]
}

async function repeated(
  times: number,
  measure: (number: number) => Promise<number>,
): Promise<number[]> {
  const values: number[] = []
  for (let number = 1; number <= times; number += 1) values.push(await measure(number))
  return values
}

function findingsOf(starts: readonly Starts[], { starts: count }: Options): Findings {
  return {
    title: `${count} starts of each`,
    tables: [
      {
        columns: ['start', 'p50 ms', 'min ms', 'max ms'],
        rows: starts.map(({ what, ms }) => [
          what,
          ...[median(ms), Math.min(...ms), Math.max(...ms)].map((value) => value.toFixed(0)),
        ]),
      },
    ],
    charts: [
      {
        title: 'From a start to the first answer',
        kind: 'bar',
        x: { label: '', categories: starts.map(({ what }) => what) },
        y: { label: 'ms' },
        series: [
          { name: 'p50', points: starts.map(({ ms }, index) => [index, median(ms)] as const) },
          { name: 'max', points: starts.map(({ ms }, index) => [index, Math.max(...ms)] as const) },
        ],
      },
    ],
    targets: starts.flatMap(({ what, ms, targetMs }) =>
      targetMs === undefined
        ? []
        : [
            {
              name: `${what}, p50`,
              unit: 'ms',
              comparison: 'at most' as const,
              target: targetMs,
              value: median(ms),
            },
          ],
    ),
    notes: [
      'Each is a process of its own, asked every 5 ms until it answers; the files of programs are in the ' +
        'cache of the operating system. A start takes one core for most of its time: others at work on the ' +
        'machine make it longer, and the first three lines as well.',
    ],
    // Whatever goes wrong ends the load test.
    errors: {},
    data: starts,
  }
}
