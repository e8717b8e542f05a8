// Callgate as it runs in production, for scenarios that break it: a nats-server, gateways on one public
// port and runners, each a process of its own that can be killed, stopped and started again.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ALGORITHM, issueAccessToken } from '../access-token.js'
import { freePort } from '../free-port.js'
import { processFamily } from '../process-usage.js'
import { type Nats, REPOSITORY, type Testbed } from '../testbed.js'
import { type Fleet, type FleetRunner, readFleet, readyRunners } from './fleet.js'
import { Part } from './part.js'

/** Callgate starts in half a second; a busy machine multiplies that. */
const START_TIMEOUT_MS = 60_000
const POLL_MS = 50

export interface SystemOptions {
  readonly gateways: number
  readonly gatewayFlags?: readonly string[]
  readonly runnerFlags?: readonly string[]
}

export interface RunnersOf {
  readonly functionName: string
  /** Of loadtest/functions, or of the examples; the function's name if absent. */
  readonly program?: string
  readonly processes: number
  readonly environment?: Readonly<Record<string, string>>
}

export class System {
  readonly testbed: Testbed
  readonly origin: string
  readonly authorization: string
  readonly gateways: readonly GatewayPart[]
  readonly runners: Part[] = []
  readonly #runnerFlags: readonly string[]
  #nats: Nats

  private constructor(
    testbed: Testbed,
    nats: Nats,
    origin: string,
    authorization: string,
    gateways: readonly GatewayPart[],
    runnerFlags: readonly string[],
  ) {
    this.testbed = testbed
    this.#nats = nats
    this.origin = origin
    this.authorization = authorization
    this.gateways = gateways
    this.#runnerFlags = runnerFlags
  }

  static async start(testbed: Testbed, options: SystemOptions): Promise<System> {
    const { token, jwksFile } = await issueAccessToken(testbed.directory)
    const nats = await testbed.startNats()
    const port = await freePort()
    const flags = [
      ...['--nats-url', nats.url, '--host', '127.0.0.1', '--port', String(port), '--share-port'],
      ...['--admin-port', '0', '--jwks-file', jwksFile, '--algorithms', ALGORITHM],
      ...(options.gatewayFlags ?? []),
    ]
    const gateways = Array.from({ length: options.gateways }, (_, index) => {
      return new GatewayPart(testbed, `gateway ${index + 1}`, callgate('gateway', flags))
    })
    await Promise.all(gateways.map((gateway) => gateway.start()))
    const origin = `http://127.0.0.1:${port}`
    const runnerFlags = ['--nats-url', nats.url, ...(options.runnerFlags ?? [])]
    return new System(testbed, nats, origin, `Bearer ${token}`, gateways, runnerFlags)
  }

  get nats(): Nats {
    return this.#nats
  }

  /** Resolves when every gateway knows all of them. */
  async startRunners(kinds: readonly RunnersOf[]): Promise<void> {
    for (const { functionName, program = functionName, processes, environment = {} } of kinds) {
      const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
      const command = callgate('runner', [programOf(program), ...this.#runnerFlags])
      for (let number = 1; number <= processes; number += 1) {
        const name = `${functionName} runner ${number}`
        const part = new Part(this.testbed, name, ['/usr/bin/env', ...variables, ...command])
        this.runners.push(part)
        await part.start()
      }
    }
    for (const { functionName, processes } of kinds) {
      await this.untilReady(functionName, processes)
    }
  }

  /** Resolves when all gateways know so many ready runners of this function. */
  async untilReady(functionName: string, count: number): Promise<void> {
    await this.until(`${count} runners of ${functionName} are ready`, async () => {
      const fleets = await this.fleets()
      return fleets.every((fleet) => readyRunners(fleet, functionName).length === count)
    })
  }

  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS
    while (!(await isSo())) {
      if (performance.now() > deadline) {
        const outputs = await this.testbed.lastOutputs()
        throw new Error(`Not so after ${START_TIMEOUT_MS / 1000} s: ${what}.${outputs}`)
      }
      await delay(POLL_MS, undefined, { signal: this.testbed.signal })
    }
  }

  fleets(): Promise<Fleet[]> {
    return Promise.all(this.gateways.map(({ adminUrl }) => readFleet(adminUrl)))
  }

  /** The processes that have the functions loaded; what started them keeps them alive. */
  async runnerProcesses(functionName: string): Promise<FleetRunner[]> {
    const families = await Promise.all(this.runners.map(({ child }) => processFamily(child.pid)))
    const ours = new Set(families.flat())
    const runners = readyRunners(await readFleet(this.gateways[0]!.adminUrl), functionName)
    return runners.filter(({ pid }) => ours.has(pid))
  }

  async killNats(): Promise<void> {
    await this.#nats.kill()
  }

  /** On its port, with its store. */
  async startNatsAgain(): Promise<void> {
    this.#nats = await this.testbed.startNats(Number(new URL(this.#nats.url).port))
  }
}

export class GatewayPart extends Part {
  #adminUrl = ''

  get adminUrl(): string {
    return this.#adminUrl
  }

  /** Resolves when it listens. */
  override async start() {
    const child = await super.start()
    const { adminUrl } = await child.line('gateway listening', new AbortController().signal)
    this.#adminUrl = String(adminUrl)
    return child
  }
}

/** The command line of `callgate`, as it was built. */
export function callgate(command: string, flags: readonly string[]): string[] {
  const program = join(REPOSITORY, 'dist', 'cli', 'main.js')
  if (!existsSync(program)) {
    throw new Error('dist/cli/main.js is missing: build Callgate first, with npm run build.')
  }
  return [process.execPath, program, command, ...flags]
}

/** The file of a function. */
export function programOf(functionName: string): string {
  const own = join(import.meta.dirname, '..', 'functions', `${functionName}.js`)
  return existsSync(own) ? own : join(REPOSITORY, 'dist', 'examples', `${functionName}.js`)
}
