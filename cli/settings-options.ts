// Settings as command-line options: every setting of a schema becomes a flag of the same name.

import { type Command, Option } from 'commander'
import type { z } from 'zod'
import { flagName, variableName } from '../shared/config.js'

type Settings = Record<string, z.ZodType>

/** Adds `--nats-url <value>` for `natsUrl` and so on; values stay text, `readConfig` reads them. */
export function addSettings(command: Command, settings: Settings): Command {
  for (const [name, schema] of Object.entries(settings)) {
    const description = `${schema.description ?? ''} (${variableName(name)})`
    command.addOption(new Option(`--${flagName(name)} <value>`, description))
  }
  return command
}

/** Settings -> variables, for a child process that is configured by its environment. */
export function toEnvironment(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(config)) {
    if (value !== undefined) environment[variableName(name)] = String(value)
  }
  return environment
}
