// One runner process: a runner, its signals, what it tells the process that started it, its exit status.

import {
  ConfigError,
  logSettings,
  natsSettings,
  readConfig,
  runnerSettings,
} from '../shared/config.js'
import { ManifestError } from '../shared/manifest.js'
import { NatsUnreachable } from '../shared/nats.js'
import { RegistryUnavailable } from '../shared/registry-fault.js'
import type { RegistryState } from '../shared/registry-guard.js'
import type { RunnerMessage, StartOrder, StopMessage } from './fleet/runner-message.js'
import { startHeartbeat } from './heartbeat.js'
import type { Runner, StopReason } from './lifecycle.js'
import { LoadError } from './load-function.js'
import { reasonOf } from './reason-of.js'
import { RouteTaken } from './registration.js'
import { startRunner } from './start.js'

/** Exit status of a runner that wants to be started again: it has no healthy slot left, no id, or broke. */
const EXIT_REPLACE_ME = 75
/** Of a runner that was told twice to stop: what a shell says of SIGTERM. */
const EXIT_TOLD_TWICE = 143
/** A runner that was told twice and still has not left hangs on something. */
const LAST_WORDS_MS = 500

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
    error instanceof RouteTaken ||
    error instanceof ConfigError
  if (isOurs) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : reasonOf(error)
}

/** Whatever `load` has left behind must not keep the process. */
async function exitFailed(error: unknown): Promise<never> {
  const message = sentenceOf(error)
  if (process.connected) {
    await tell(
      error instanceof RouteTaken
        ? { type: 'refused', message, owners: error.owners }
        : { type: 'failed', message },
    )
  } else process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** Takes over this process, until the end of it. */
export async function runProcess(order: StartOrder): Promise<void> {
  // For `ps`: one that stood by was started without a file.
  process.title = `callgate runner ${order.file}`
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
    const onNamed = (name: string) => void tell({ type: 'named', name })
    const onRegistered = (registry: RegistryState) => void tell({ type: 'registered', registry })
    runner = await startRunner({ ...order, config, onImport, onNamed, onRegistered })
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
