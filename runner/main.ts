// One runner process: load the function, register it, take calls, drain. Wiring only.
//
//   node dist/runner/main.js <file> [--no-register]        configured by CALLGATE_* variables
//
// Its life:  load -> ready -> (SIGTERM, or no healthy slot) draining -> gone.  Started by
// `fleet/runner-process.ts`, which starts it again when it exits without having been told to.

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
import { CreditBudget } from '../shared/credit.js'
import { createLog } from '../shared/log.js'
import { type Manifest, ManifestError } from '../shared/manifest.js'
import { connectNats, type NatsBus, NatsUnreachable } from '../shared/nats.js'
import { Registry, RegistryUnavailable } from '../shared/registry.js'
import { subjectsIn } from '../shared/subjects.js'
import { Announcer } from './announce.js'
import type { DefinedFunction } from './define-function.js'
import { describeFunction } from './describe-function.js'
import type { RunnerMessage } from './fleet/runner-message.js'
import { LoadError, loadFunction } from './load-function.js'
import { RunnerServer } from './serve.js'

/** Exit status of a runner that has no healthy slot left and wants to be started again. */
const EXIT_REPLACE_ME = 75

export interface Runner {
  readonly manifest: Manifest
  readonly runnerId: string
  /** Finishes the calls that it has, for `drainMs` at most, and leaves. Idempotent. */
  stop(): Promise<void>
  /** Resolves when the runner has stopped. */
  readonly stopped: Promise<{ readonly reason: 'told' | 'no healthy slot' | 'nats closed' }>
}

export interface RunnerOptions {
  readonly file: string
  readonly config: RunnerConfig
  readonly register: boolean
  readonly onImport?: (path: string) => void
}

/** Starts a runner in this process. Throws a LoadError, ManifestError, NatsUnreachable or RegistryUnavailable. */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { config } = options
  const { definition, defaultName } = await loadFunction(options.file, options.onImport)
  const manifest = describeFunction(definition, defaultName)
  const log = createLog(config, { function: manifest.name })
  const bus = await connectNats(config, `callgate runner ${manifest.name}`, (error, subject) =>
    log.error({ err: error, subject }, 'a NATS subscription failed'),
  )
  try {
    const stopLoading = new AbortController()
    const model = await load(definition, log, stopLoading.signal)
    if (options.register) await register(bus, config, manifest, log)
    return serve(definition, model, manifest, bus, config, log)
  } catch (error) {
    await bus.close()
    throw error
  }
}

async function load(
  definition: DefinedFunction,
  log: Logger,
  signal: AbortSignal,
): Promise<unknown> {
  const startedMs = performance.now()
  try {
    const model = await definition.load?.({ log, signal })
    if (definition.load !== undefined) {
      log.info({ loadMs: Math.round(performance.now() - startedMs) }, 'model loaded')
    }
    return model
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new LoadError(`\`load\` failed: ${reason}`, { cause: error })
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

async function serve(
  definition: DefinedFunction,
  model: unknown,
  manifest: Manifest,
  bus: NatsBus,
  config: RunnerConfig,
  log: Logger,
): Promise<Runner> {
  const subjects = subjectsIn(config.namespace)
  let stopping: Promise<void> | null = null
  let onStopped: (value: Awaited<Runner['stopped']>) => void
  const stopped: Runner['stopped'] = new Promise((resolve) => {
    onStopped = resolve
  })

  const server = new RunnerServer({
    bus,
    subjects,
    slots: manifest.maxInputs,
    environment: {
      definition,
      model,
      log,
      budget: new CreditBudget(config.creditBytes),
      maxBodyBytes: manifest.maxBodyBytes,
      maxMessageBytes: manifest.maxMessageBytes,
      cancelGraceMs: config.cancelGraceMs,
    },
    onRenamed: () => announcer.announce(),
    onSlots: () => {
      if (server.healthySlots > 0 || stopping !== null) return
      log.error('no healthy slot is left: this runner is replaced')
      void stop('no healthy slot')
    },
  })
  // The inbox is open on the server before anybody can read of it.
  await bus.flush()
  const announcer = new Announcer({
    bus,
    subjects,
    runnerId: () => server.runnerId,
    functionName: manifest.name,
    version: config.version,
    load: () => ({ slots: server.healthySlots, busyBy: server.busyBy }),
  })
  void bus.closed.then(() => stop('nats closed'))
  log.info({ runner: server.runnerId, slots: manifest.maxInputs }, 'runner ready')

  function stop(reason: Awaited<Runner['stopped']>['reason']): Promise<void> {
    stopping ??= drain().then(() => onStopped({ reason }))
    return stopping
  }

  async function drain(): Promise<void> {
    announcer.drain()
    const drained = server.drain()
    const timer = setTimeout(() => server.abortAll('draining'), config.drainMs)
    const abandoned = new Promise<void>((resolve) => {
      setTimeout(resolve, config.drainMs + config.cancelGraceMs).unref()
    })
    await Promise.race([drained, abandoned])
    clearTimeout(timer)
    announcer.close()
    server.close()
    await bus.close()
    log.info({ runner: server.runnerId }, 'runner gone')
  }

  return { manifest, runnerId: server.runnerId, stop: () => stop('told'), stopped }
}

// ---- as a process ---------------------------------------------------------------------------------

function tell(message: RunnerMessage): void {
  // The channel can close at any moment; then there is nobody to tell.
  if (process.connected) process.send?.(message, undefined, {}, () => {})
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
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

async function main(file: string, register: boolean): Promise<void> {
  let runner: Runner
  // Told to stop while it still loads: nothing to drain yet.
  const giveUp = () => process.exit(0)
  process.once('SIGTERM', giveUp).once('SIGINT', giveUp)
  try {
    const config = readConfig(
      { ...runnerSettings, ...natsSettings, ...logSettings },
      {},
      process.env,
    )
    runner = await startRunner({
      file,
      config,
      register,
      onImport: (path) => tell({ type: 'imported', path }),
    })
  } catch (error) {
    const message = sentenceOf(error)
    if (process.connected) tell({ type: 'failed', message })
    else process.stderr.write(`${message}\n`)
    process.exitCode = 1
    process.disconnect?.()
    return
  }
  process.off('SIGTERM', giveUp).off('SIGINT', giveUp)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void runner.stop())
  // The process that started us is gone: nobody would stop us any more.
  process.on('disconnect', () => void runner.stop())
  const { name, routes } = runner.manifest
  tell({ type: 'ready', name, routes, runnerId: runner.runnerId })
  const { reason } = await runner.stopped
  process.exit(reason === 'told' ? 0 : EXIT_REPLACE_ME)
}

if (process.argv[1] !== undefined && pathToFileURL(process.argv[1]).href === import.meta.url) {
  const file = process.argv.slice(2).find((argument) => !argument.startsWith('--'))
  if (file === undefined) {
    process.stderr.write('Usage: main.js <file> [--no-register]\n')
    process.exit(2)
  }
  await main(file, !process.argv.includes('--no-register'))
}
