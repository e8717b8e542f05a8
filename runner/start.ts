// A file -> a runner in this process: import the function, register it, announce it.

import type { RunnerConfig } from '../shared/config.js'
import { createLog } from '../shared/log.js'
import { connectNats } from '../shared/nats.js'
import { describeFunction } from './describe-function.js'
import { Runner } from './lifecycle.js'
import { loadFunction } from './load-function.js'
import { keepRegistered } from './registration.js'

export interface RunnerOptions {
  readonly file: string
  readonly config: RunnerConfig
  readonly register: boolean
  /** The function in whose place this one comes, which may have its routes. */
  readonly replaces?: string | null
  readonly onImport?: (path: string) => void
  /** Told the function's name before anything is registered. */
  readonly onNamed?: (name: string) => void
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
    if (options.register) await keepRegistered(bus, config, manifest, replaces, log)
    return await Runner.open({ definition, manifest, bus, config, log })
  } catch (error) {
    await bus.close()
    throw error
  }
}
