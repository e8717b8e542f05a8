// A whole Callgate inside the test process: a real nats-server, a gateway on free ports, runners for
// examples and for functions that the test itself defines, so that a test can hold a function's promises
// in its hands. Started once per test file; everything ends with the test that it was given.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '@nats-io/transport-node'
import pino, { type Logger } from 'pino'
import type { Test } from 'tap'
import { type DevelopmentKey, openDevelopmentKey } from '../../cli/development-key.js'
import type { FleetStatus } from '../../gateway/fleet-status.js'
import { type Gateway, startGateway } from '../../gateway/main.js'
import type { DefinedFunction } from '../../runner/define-function.js'
import { RunnerProcess } from '../../runner/fleet/runner-process.js'
import { RunnerSource } from '../../runner/fleet/runner-source.js'
import type { Runner } from '../../runner/lifecycle.js'
import { startRunner } from '../../runner/start.js'
import { decodeAnnouncement } from '../../shared/announcement.js'
import {
  type GatewayConfig,
  gatewaySettings,
  logSettings,
  natsSettings,
  type RunnerConfig,
  readConfig,
  runnerSettings,
} from '../../shared/config.js'
import { subjectsIn } from '../../shared/subjects.js'
import { startTestNats, type TestNats } from './nats.js'
import { RawClient } from './raw-client.js'

/** Conditions are looked for this often; nothing tells us of a change in another process. */
const FIRST_LOOK_MS = 5
/** What takes its time may take a little more: each look is a request, and its CPU time another test's. */
const LAST_LOOK_MS = 50
/** A machine that is busy with other things is slow, not wrong. */
const GIVE_UP_MS = 60_000
/** The same of a function that was told to stop: only a test of the grace period gives it a short one. */
const PATIENT_GRACE_MS = 60_000

export type FunctionState = FleetStatus['functions'][number]

export interface SystemOptions {
  readonly gateway?: Partial<GatewayConfig>
  readonly runner?: Partial<RunnerConfig>
  readonly nats?: TestNats
}

export interface ChildRunner {
  readonly process: RunnerProcess
  /** Every id that it has been ready with; a new one each time it was started again. */
  readonly runnerIds: string[]
  readonly failures: string[]
  /** The pause after each failure; null where it is not tried again. */
  readonly pausesMs: (number | null)[]
}

const definitions = new Map<string, DefinedFunction>()
;(globalThis as Record<symbol, unknown>)[Symbol.for('callgate.test.definitions')] = definitions

export class System {
  readonly nats: TestNats
  readonly gateway: Gateway
  /** Every line of the gateway's log, at level debug. */
  readonly logLines: string[]
  readonly #t: Test
  readonly #key: DevelopmentKey
  readonly #directory: string
  readonly #runnerConfig: Partial<RunnerConfig>
  #token: Promise<string> | undefined
  #tokens = 0

  private constructor(
    t: Test,
    nats: TestNats,
    gateway: Gateway,
    key: DevelopmentKey,
    directory: string,
    logLines: string[],
    runnerConfig: Partial<RunnerConfig>,
  ) {
    this.#t = t
    this.nats = nats
    this.gateway = gateway
    this.#key = key
    this.#directory = directory
    this.logLines = logLines
    this.#runnerConfig = runnerConfig
  }

  static async start(t: Test, options: SystemOptions = {}): Promise<System> {
    // Each runner in this process loads its function through loader hooks, with listeners of their own.
    process.setMaxListeners(100)
    const nats = options.nats ?? (await startTestNats(t))
    const directory = await mkdtemp(join(tmpdir(), 'callgate-system-'))
    t.teardown(() => rm(directory, { recursive: true, force: true }))
    const key = await openDevelopmentKey(directory)
    const logLines: string[] = []
    const gateway = await startGateway(
      {
        ...readConfig({ ...gatewaySettings, ...natsSettings, ...logSettings }, {}, {}),
        host: '127.0.0.1',
        port: 0,
        adminPort: 0,
        natsUrl: nats.url,
        jwksFile: key.jwksFile,
        drainMs: 100,
        ...options.gateway,
      },
      logInto(logLines),
    )
    t.teardown(() => gateway.close())
    return new System(t, nats, gateway, key, directory, logLines, options.runner ?? {})
  }

  get url(): string {
    return this.gateway.url
  }

  get port(): number {
    return Number(new URL(this.gateway.url).port)
  }

  /** A token that was never used before, so that the gateway has to verify it. */
  token({ scope, ttl = '1h', subject = 'ann', claims }: TokenOptions = {}): Promise<string> {
    // The subject of each token differs in nothing but the text of the token: `jti` would do as well.
    return this.#key.sign({ subject, scope, ttl, claims, audience: `test-${this.#tokens++}` })
  }

  /** `fetch` from the gateway, with a token that is good for every function unless one is given. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    this.#token ??= this.token()
    const headers = new Headers(init.headers)
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${await this.#token}`)
    return fetch(`${this.url}${path}`, { ...init, headers })
  }

  /** POST of a value as JSON. */
  post(path: string, value: unknown, init: RequestInit = {}): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      body: JSON.stringify(value),
      ...init,
      headers: { 'content-type': 'application/json', ...(init.headers as object) },
    })
  }

  /** The value of an `authorization` header, verified by the gateway before. */
  async authorization(): Promise<string> {
    this.#token ??= this.token()
    return `Bearer ${await this.#token}`
  }

  /** A socket to the gateway, for requests that no HTTP client sends. */
  connect(): Promise<RawClient> {
    return RawClient.connect(this.#t, this.port)
  }

  async fleet(): Promise<FleetStatus> {
    return (await (await fetch(`${this.gateway.adminUrl}/fleet`)).json()) as FleetStatus
  }

  async state(name: string): Promise<FunctionState> {
    const state = (await this.fleet()).functions.find((each) => each.name === name)
    if (state === undefined) throw new Error(`The gateway does not know the function ${name}.`)
    return state
  }

  /** Resolves with the function's state when `isTrue` of it; throws what it was last when it never is. */
  async until(name: string, isTrue: (state: FunctionState) => boolean): Promise<FunctionState> {
    const untilMs = performance.now() + GIVE_UP_MS
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 1.2, LAST_LOOK_MS)) {
      const state = (await this.fleet()).functions.find((each) => each.name === name)
      if (state !== undefined && isTrue(state)) return state
      if (performance.now() > untilMs) {
        throw new Error(`After ${GIVE_UP_MS} ms it is still not so: ${JSON.stringify(state)}`)
      }
      await delay(lookMs)
    }
  }

  /**
   * Resolves when the runners of this function say that they have `count` calls of this gateway. One that the
   * gateway counts as in flight may not have arrived yet: of a runner that is killed now, another may get it.
   */
  async untilTaken(name: string, count: number): Promise<void> {
    const subjects = subjectsIn('callgate')
    const { gateway } = await this.fleet()
    const connection = await connect({ servers: this.nats.url })
    const announcements = connection.subscribe(subjects.announcements)
    connection.publish(subjects.discover)
    const taken = new Map<string, number>()
    for await (const { data } of announcements) {
      const announcement = decodeAnnouncement(data)
      if (announcement === null || typeof announcement === 'number') continue
      if (announcement.function !== name) continue
      taken.set(announcement.runner, announcement.busyBy[gateway] ?? 0)
      if ([...taken.values()].reduce((sum, each) => sum + each) === count) break
      await delay(LAST_LOOK_MS)
      connection.publish(subjects.discover)
    }
    await connection.close()
  }

  /** Resolves when no call is left anywhere: nothing in flight, nothing queued, every slot free. */
  async atRest(...names: string[]): Promise<void> {
    const all = names.length > 0 ? names : (await this.fleet()).functions.map(({ name }) => name)
    for (const name of all) await this.until(name, isAtRest)
  }

  /** Serves what the test itself defines, in this process. `name` is the function's name. */
  async serve(
    definition: DefinedFunction & { name?: string },
    config: Partial<RunnerConfig> = {},
    options: { register?: boolean } = {},
  ): Promise<Runner> {
    const name = definition.name
    if (name === undefined) throw new Error('Give the function a name.')
    const key = `${name}-${definitions.size}`
    definitions.set(key, definition)
    const file = join(this.#directory, `${key}.mjs`)
    await writeFile(
      file,
      `export default globalThis[Symbol.for('callgate.test.definitions')].get(${JSON.stringify(key)})\n`,
    )
    return this.serveFile(file, config, options)
  }

  /** Serves some of the examples, in this process. */
  async serveExamples(...names: string[]): Promise<void> {
    for (const name of names) {
      await this.serveFile(fileURLToPath(new URL(`../../examples/${name}.js`, import.meta.url)))
    }
  }

  async serveFile(
    file: string,
    config: Partial<RunnerConfig> = {},
    { register = true }: { register?: boolean } = {},
  ): Promise<Runner> {
    const runner = await startRunner({
      file,
      registering: register ? 'now' : 'never',
      config: {
        ...readConfig({ ...runnerSettings, ...natsSettings, ...logSettings }, {}, {}),
        natsUrl: this.nats.url,
        logLevel: 'silent',
        drainMs: 100,
        cancelGraceMs: PATIENT_GRACE_MS,
        ...this.#runnerConfig,
        ...config,
      },
    })
    this.#t.teardown(() => runner.stop())
    await runner.load()
    await this.until(runner.manifest.name, (state) => isReady(state, runner.runnerId))
    return runner
  }

  /** Serves a file in a process of its own, which is started again when it dies. */
  async serveInChild(
    name: string,
    file: string,
    environment: Record<string, string> = {},
  ): Promise<ChildRunner> {
    const child = this.startChild(file, environment)
    await this.until(name, (state) => state.runners.some(({ id }) => child.runnerIds.includes(id)))
    return child
  }

  /** Like `serveInChild`, but waits for nothing. */
  startChild(
    file: string,
    environment: Record<string, string> = {},
    { retryFailedLoad = false }: { retryFailedLoad?: boolean } = {},
  ): ChildRunner {
    const runnerIds: string[] = []
    const failures: string[] = []
    const pausesMs: (number | null)[] = []
    const runner = new RunnerProcess({
      file,
      register: true,
      retryFailedLoad,
      source: new RunnerSource({
        killAfterMs: 1_000,
        environment: this.runnerEnvironment(environment),
      }),
      events: {
        onReady: ({ runnerId }) => void runnerIds.push(runnerId),
        onFailed: (message, retryInMs) => {
          failures.push(message)
          pausesMs.push(retryInMs)
        },
        onRefused: (message) => {
          failures.push(message)
          pausesMs.push(null)
        },
      },
    })
    this.#t.teardown(() => runner.stop())
    runner.start()
    return { process: runner, runnerIds, failures, pausesMs }
  }

  /** For a runner in a process of its own. */
  runnerEnvironment(environment: Record<string, string> = {}): NodeJS.ProcessEnv {
    return {
      ...process.env,
      CALLGATE_NATS_URL: this.nats.url,
      CALLGATE_LOG_LEVEL: 'silent',
      CALLGATE_DRAIN_MS: '100',
      CALLGATE_CANCEL_GRACE_MS: String(PATIENT_GRACE_MS),
      ...environment,
    }
  }
}

export interface TokenOptions {
  scope?: string
  ttl?: string
  subject?: string
  claims?: Record<string, unknown>
}

/** A body of unknown length. */
export function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const left = [...chunks]
  return new ReadableStream({
    pull(controller) {
      const chunk = left.shift()
      if (chunk === undefined) controller.close()
      else controller.enqueue(chunk)
    },
  })
}

/** A function file of test/support/functions, compiled. */
export function functionFile(name: string): string {
  return fileURLToPath(new URL(`./functions/${name}.js`, import.meta.url))
}

export function isAtRest(state: FunctionState): boolean {
  return state.counters.inFlight === 0 && state.queued === 0 && state.freeSlots === state.slots
}

function isReady(state: FunctionState, runnerId: string): boolean {
  const runner = state.runners.find(({ id }) => id === runnerId)
  return runner?.state === 'ready'
}

function logInto(lines: string[]): Logger {
  return pino({ level: 'debug', base: {} }, { write: (line: string) => void lines.push(line) })
}
