// A file -> a runner in this process: import the function, register it, announce it.

import type { RunnerConfig } from '../shared/config.js'
import { createLog } from '../shared/log.js'
import { connectNats } from '../shared/nats.js'
import type { RegistryState } from '../shared/registry-guard.js'
import { describeFunction } from './describe-function.js'
import type { Registering } from './fleet/runner-message.js'
import { Runner } from './lifecycle.js'
import { loadFunction } from './load-function.js'
import { keepRegistered } from './registration.js'

export interface RunnerOptions {
  readonly file: string
  readonly config: RunnerConfig
  readonly registering: Registering
  /** The function in whose place this one comes, which may have its routes. */
  readonly replaces?: string | null
  readonly onImport?: (path: string) => void
  /** Told the function's name before anything is registered. */
  readonly onNamed?: (name: string) => void
  /** Told of the registry that has the function, and of each that has it later. */
  readonly onRegistered?: (registry: RegistryState) => void
}

/**
 * A runner in this process, registered and announced; `load` makes it take calls. Throws a LoadError,
 * ManifestError, NatsUnreachable, RegistryUnavailable or RouteTaken.
 */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { config, replaces = null } = options
  const { definition, defaultName } = await loadFunction(options.file, options.onImport)
  const manifest = describeFunction(definition, defaultName)
  options.onNamed?.(manifest.name)
  const log = createLog(config, { function: manifest.name })
  const bus = await connectNats(config, `callgate runner ${manifest.name}`, log)
  try {
    // Before the model is loaded: calls that come meanwhile find a route, and wait.
    const { registering, onRegistered } = options
    if (registering !== 'never') {
      const known = registering === 'now' ? undefined : registering
      await keepRegistered({ bus, config, manifest, replaces, log, known, onRegistered })
    }
    return await Runner.open({ definition, manifest, bus, config, log })
  } catch (error) {
    await bus.close()
    throw error
  }
}
