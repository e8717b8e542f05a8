// Settings as command-line options: every setting becomes a flag of the same name.

import { type Command, Option } from 'commander'
import { flagName, type Settings, variableName } from '../shared/config.js'

/**
 * Adds `--nats-url <value>` for `natsUrl` and so on; values stay text, `readConfig` reads them. What is
 * true or false is a flag without a value.
 * @param heading under which `--help` lists them
 */
export function addSettings(command: Command, heading: string, settings: Settings): Command {
  for (const [name, { placeholder, description, byDefault }] of Object.entries(settings)) {
    const value = placeholder === null ? '' : ` <${placeholder}>`
    const option = new Option(
      `--${flagName(name)}${value}`,
      `${description} (${variableName(name)})`,
    )
    // Shown only: `readConfig` fills it in, after the environment has been asked.
    if (byDefault !== undefined && byDefault !== false) {
      option.description += ` (default: ${String(byDefault)})`
    }
    command.addOption(option.helpGroup(heading))
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
