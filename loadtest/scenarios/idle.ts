// Many WebSockets on which nothing happens. Asks what each costs the processes that it goes through, in
// memory and in CPU time, and whether it is still alive after a while.

import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { QuietSockets } from '../clients/quiet-sockets.js'
import { positiveInteger, positiveNumber } from '../common-options.js'
import { lineThrough } from '../least-squares.js'
import { heldBytes } from '../memory-watch.js'
import { mostSockets } from '../open-files.js'
import { processFamily, processUsage } from '../process-usage.js'
import { mergeErrors } from '../report/errors.js'
import type { Chart, Findings, Table } from '../report/result.js'
import { runScenario } from '../run-scenario.js'
import { startUwsEcho } from '../subjects/alone.js'
import { System } from '../system/system.js'
import type { Testbed } from '../testbed.js'

const PATH = '/chat'
const PEER = 'uws-echo'
const GATEWAY = 'gateway'
/** Of one function in one runner: the most that Callgate allows. */
const SLOTS = 10_000
/** Opened and closed before the first look: compilers, pools and tables have their size then. */
const MOST_WARMUP_SOCKETS = 500
const BATCHES = 4
const TARGET_KIB = 8

interface Options {
  readonly sockets: number
  readonly settleSeconds: number
  readonly quietSeconds: number
  readonly json?: string
}

/** Processes of one kind, of Callgate or of its peer, each with those that it has started. */
interface Part {
  readonly name: string
  readonly pids: readonly number[]
}

interface PartFigures {
  readonly name: string
  /** Connections, and bytes that the processes held when so many were open. */
  readonly held: readonly (readonly [number, number])[]
  readonly bytesPerConnection: number
  readonly quietCpuMs: number
}

interface SubjectFigures {
  readonly parts: readonly PartFigures[]
  readonly answered: number
  readonly errors: Readonly<Record<string, number>>
}

/** @param signal ends the load test early */
export function idleCommand(signal: AbortSignal): Command {
  return new Command('idle')
    .description('WebSockets on which nothing happens: memory and CPU time of each')
    .option('--sockets <n>', 'WebSockets open at once', positiveInteger, 20_000)
    .option(
      '--settle-seconds <n>',
      'wait before each look at the memory, for the collectors of garbage',
      positiveNumber,
      10,
    )
    .option('--quiet-seconds <n>', 'how long nothing happens', positiveNumber, 130)
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      await runScenario(signal, 'idle', options, (testbed) => run(testbed, options))
    })
}

async function run(testbed: Testbed, options: Options): Promise<Findings> {
  const sockets = Math.min(options.sockets, await mostSockets())
  const system = await System.start(testbed, {
    gateways: 1,
    gatewayFlags: ['--max-calls', String(2 * sockets)],
  })
  const processes = Math.ceil(sockets / SLOTS)
  const environment = { LOADTEST_SLOTS: String(SLOTS) }
  await system.startRunners([{ functionName: 'quiet', processes, environment }])
  const parts: Part[] = [
    { name: GATEWAY, pids: [system.gateways[0]!.child.pid] },
    { name: 'nats-server', pids: [system.nats.pid] },
    { name: 'runners', pids: system.runners.map(({ child }) => child.pid) },
  ]
  const peer = await startUwsEcho(testbed)
  const peerParts = [{ name: PEER, pids: peer.processes.map(({ pid }) => pid) }]
  const plan = { ...options, sockets }
  const callgate = await measure(testbed, system.origin, system.authorization, parts, plan)
  const uws = await measure(testbed, peer.origin, system.authorization, peerParts, plan)
  const figures = [...callgate.parts, ...uws.parts]
  const gateway = callgate.parts.find(({ name }) => name === GATEWAY)!
  return {
    title: `${sockets} WebSockets, nothing said for ${options.quietSeconds} s`,
    tables: [tableOf(figures, sockets, options.quietSeconds)],
    charts: [chartOf(figures)],
    targets: [
      {
        name: 'memory of the gateway per connection',
        unit: 'KiB',
        comparison: 'at most',
        target: TARGET_KIB,
        value: gateway.bytesPerConnection / 1024,
      },
    ],
    notes: [
      ...(sockets < options.sockets
        ? [`A process may have no more sockets here than ${sockets} (ulimit -Hn).`]
        : []),
      `Afterwards ${callgate.answered} sockets answered through Callgate and ${uws.answered} of the peer.`,
      'Memory is resident memory; per connection by least squares over what was held with more and more ' +
        'of them open. A ping goes to each connection about every two minutes, from both subjects.',
    ],
    errors: mergeErrors([callgate.errors, uws.errors]),
    data: { callgate, [PEER]: uws },
  }
}

async function familiesOf(pids: readonly number[]): Promise<number[]> {
  return (await Promise.all(pids.map(processFamily))).flat()
}

async function measure(
  testbed: Testbed,
  origin: string,
  authorization: string,
  parts: readonly Part[],
  { sockets, settleSeconds, quietSeconds }: Options,
): Promise<SubjectFigures> {
  const { signal } = testbed
  const clients = new QuietSockets(new URL(PATH, origin.replace(/^http/, 'ws')).href, {
    authorization,
  })
  const families = await Promise.all(parts.map(({ pids }) => familiesOf(pids)))
  const held = parts.map((): [number, number][] => [])
  const look = async (open: number) => {
    await delay(settleSeconds * 1000, undefined, { signal })
    for (const [index, pids] of families.entries()) {
      held[index]!.push([open, await heldBytes(pids)])
    }
  }
  try {
    await clients.open(Math.min(MOST_WARMUP_SOCKETS, sockets), signal)
    await clients.ask(signal)
    await clients.close()
    await look(0)
    for (let batch = 1; batch <= BATCHES; batch += 1) {
      const [from, to] = [batch - 1, batch].map((n) => Math.round((n * sockets) / BATCHES))
      await clients.open(to! - from!, signal)
      await look(to!)
    }
    const before = await cpuMsOf(parts)
    await delay(quietSeconds * 1000, undefined, { signal })
    const after = await cpuMsOf(parts)
    const answered = await clients.ask(signal)
    await clients.close()
    await testbed.assertAlive()
    const figures = parts.map(({ name }, index) => ({
      name,
      held: held[index]!,
      bytesPerConnection: lineThrough(held[index]!).slope,
      quietCpuMs: after[index]! - before[index]!,
    }))
    return { parts: figures, answered, errors: { ...clients.errors } }
  } finally {
    clients.abandon()
  }
}

function cpuMsOf(parts: readonly Part[]): Promise<number[]> {
  return Promise.all(
    parts.map(async ({ pids }) => {
      const usages = await Promise.all(pids.map(processUsage))
      return usages.reduce((total, { cpuMs }) => total + cpuMs, 0)
    }),
  )
}

function tableOf(figures: readonly PartFigures[], sockets: number, quietSeconds: number): Table {
  return {
    columns: [
      'process',
      'MiB before',
      `MiB with ${sockets}`,
      'KiB per connection',
      'CPU ms per minute and 1,000 connections',
    ],
    rows: figures.map(({ name, held, bytesPerConnection, quietCpuMs }) => [
      name,
      mib(held[0]![1]).toFixed(1),
      mib(held.at(-1)![1]).toFixed(1),
      (bytesPerConnection / 1024).toFixed(2),
      ((quietCpuMs * 60 * 1000) / quietSeconds / sockets).toFixed(1),
    ]),
  }
}

function chartOf(figures: readonly PartFigures[]): Chart {
  return {
    title: 'Memory held',
    kind: 'line',
    x: { label: 'open connections' },
    y: { label: 'MiB' },
    series: figures.map(({ name, held }) => ({
      name,
      points: held.map(([open, bytes]) => [open, mib(bytes)] as const),
    })),
  }
}

function mib(bytes: number): number {
  return bytes / 1024 ** 2
}
