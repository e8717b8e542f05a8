// One runner process: import the function, register it, load it, take calls, drain. Wiring only.
//
//   node dist/runner/main.js <file> [--no-register]        configured by CALLGATE_* variables
//
// Its life is in `lifecycle.ts`. Started by `fleet/runner-process.ts`, which starts it again when it exits
// without having been told to.

import { pathToFileURL } from 'node:url'
import type { Logger } from 'pino'
import {
  ConfigError,
  logSettings,
  natsSettings,
  type RunnerConfig,
  readConfig,
  runnerSettings,
} from '../shared/config.js'
import { createLog } from '../shared/log.js'
import { type Manifest, ManifestError } from '../shared/manifest.js'
import { connectNats, type NatsBus, NatsUnreachable } from '../shared/nats.js'
import { Registry, RegistryUnavailable } from '../shared/registry.js'
import { subjectsIn } from '../shared/subjects.js'
import { describeFunction } from './describe-function.js'
import type { RunnerMessage, StopMessage } from './fleet/runner-message.js'
import { startHeartbeat } from './heartbeat.js'
import { Runner, type StopReason } from './lifecycle.js'
import { LoadError, loadFunction } from './load-function.js'
import { reasonOf } from './reason-of.js'

/** Exit status of a runner that wants to be started again: it has no healthy slot left, no id, or broke. */
const EXIT_REPLACE_ME = 75
/** Of a runner that was told twice to stop: what a shell says of SIGTERM. */
const EXIT_TOLD_TWICE = 143
/** A runner that was told twice and still has not left hangs on something. */
const LAST_WORDS_MS = 500

export interface RunnerOptions {
  readonly file: string
  readonly config: RunnerConfig
  readonly register: boolean
  readonly onImport?: (path: string) => void
}

/**
 * A runner in this process, registered and announced; `load` makes it take calls. Throws a LoadError,
 * ManifestError, NatsUnreachable or RegistryUnavailable.
 */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { config } = options
  const { definition, defaultName } = await loadFunction(options.file, options.onImport)
  const manifest = describeFunction(definition, defaultName)
  const log = createLog(config, { function: manifest.name })
  const bus = await connectNats(config, `callgate runner ${manifest.name}`, log)
  try {
    // Before the model is loaded: calls that come meanwhile find a route, and wait.
    if (options.register) await register(bus, config, manifest, log)
    return await Runner.open({ definition, manifest, bus, config, log })
  } catch (error) {
    await bus.close()
    throw error
  }
}

async function register(
  bus: NatsBus,
  config: RunnerConfig,
  manifest: Manifest,
  log: Logger,
): Promise<void> {
  const registry = await Registry.open(bus, subjectsIn(config.namespace), {
    replicas: config.registryReplicas,
  })
  if (await registry.put(manifest, config.version))
    log.info({ routes: manifest.routes }, 'function registered')
}

// ---- as a process ---------------------------------------------------------------------------------

/** Resolves when the message has left, or cannot. */
function tell(message: RunnerMessage): Promise<void> {
  return new Promise((resolve) => {
    // The channel can close at any moment; then there is nobody to tell.
    if (process.connected) process.send?.(message, undefined, {}, () => resolve())
    else resolve()
  })
}

/** One sentence for what the user can mend; anything else keeps its stack. */
function sentenceOf(error: unknown): string {
  const isOurs =
    error instanceof LoadError ||
    error instanceof ManifestError ||
    error instanceof NatsUnreachable ||
    error instanceof RegistryUnavailable ||
    error instanceof ConfigError
  if (isOurs) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : reasonOf(error)
}

/** Whatever `load` has left behind must not keep the process. */
async function exitFailed(error: unknown): Promise<never> {
  const message = sentenceOf(error)
  if (process.connected) await tell({ type: 'failed', message })
  else process.stderr.write(`${message}\n`)
  process.exit(1)
}

async function main(file: string, register: boolean): Promise<void> {
  // For `ps`: one that stood by was started without a file.
  process.title = `callgate runner ${file}`
  let runner: Runner | null = null
  stopWhenTold(() => runner)
  outliveFaults(() => runner)
  try {
    const config = readConfig(
      { ...runnerSettings, ...natsSettings, ...logSettings },
      {},
      process.env,
    )
    const onImport = (path: string) => void tell({ type: 'imported', path })
    runner = await startRunner({ file, config, register, onImport })
    const { name, routes, loadTimeoutMs } = runner.manifest
    // Said before `load` begins, which may never let this process say anything again.
    await tell({ type: 'loading', name, routes, loadTimeoutMs })
    void runner.stopped.then((reason) => process.exit(exitStatus(reason)))
    if (await runner.load()) await tell({ type: 'ready', name, routes, runnerId: runner.runnerId })
    startHeartbeat(runner.manifest, config, tell)
  } catch (error) {
    await exitFailed(error)
  }
}

/** The first signal lets it finish its calls, the second does not. Without a runner there are none. */
function stopWhenTold(runnerOf: () => Runner | null): void {
  let isSignalled = false
  let isTold = false
  const stop = () => {
    const runner = runnerOf()
    if (runner === null) process.exit(0)
    void runner.stop()
  }
  const stopNow = () => {
    void runnerOf()?.stopNow()
    setTimeout(() => process.exit(EXIT_TOLD_TWICE), LAST_WORDS_MS)
  }
  const onSignal = () => {
    if (isSignalled) stopNow()
    else stop()
    isSignalled = true
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  process.on('message', (_: StopMessage) => {
    isTold = true
    stop()
  })
  // The process that started us is gone. Nobody would stop us any more; and if it has told us and does not
  // wait, it was told twice itself.
  process.on('disconnect', () => (isTold ? stopNow() : stop()))
}

/** What the function throws where no call can catch it: for Node, a reason to end every other call, too. */
function outliveFaults(runnerOf: () => Runner | null): void {
  process.on('unhandledRejection', (reason) => {
    const runner = runnerOf()
    if (runner !== null) return runner.onUnhandledRejection(reason)
    // Whether the file can be imported all the same, its import tells.
    process.stderr.write(`A promise was left without a handler: ${sentenceOf(reason)}\n`)
  })
  process.on('uncaughtException', (error) => {
    const runner = runnerOf()
    if (runner !== null) runner.onUncaughtException(error)
    else void exitFailed(error)
  })
}

function exitStatus(reason: StopReason): number {
  return reason === 'told' ? 0 : EXIT_REPLACE_ME
}

if (process.argv[1] !== undefined && pathToFileURL(process.argv[1]).href === import.meta.url) {
  const file = process.argv.slice(2).find((argument) => !argument.startsWith('--'))
  if (file === undefined) {
    process.stderr.write('Usage: main.js <file> [--no-register]\n')
    process.exit(2)
  }
  await main(file, !process.argv.includes('--no-register'))
}
