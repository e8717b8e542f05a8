// Settings as command-line options: every setting of a schema becomes a flag of the same name.

import { type Command, Option } from 'commander'
import { z } from 'zod'
import { flagName, variableName } from '../shared/config.js'

type Settings = Record<string, z.ZodType>

/**
 * Adds `--nats-url <value>` for `natsUrl` and so on; values stay text, `readConfig` reads them. What is
 * true or false is a flag without a value.
 * @param heading under which `--help` lists them
 */
export function addSettings(command: Command, heading: string, settings: Settings): Command {
  for (const [name, schema] of Object.entries(settings)) {
    const option = new Option(
      flagOf(name, schema),
      `${schema.description ?? ''} (${variableName(name)})`,
    )
    const value = defaultOf(schema)
    // Shown only: the schema fills it in, after the environment has been asked.
    if (value !== undefined && value !== false) option.description += ` (default: ${String(value)})`
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

function defaultOf(schema: z.ZodType): unknown {
  return schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined
}

function flagOf(name: string, schema: z.ZodType): string {
  const value = valueTypeOf(schema)
  const flag = `--${flagName(name)}`
  return value instanceof z.ZodBoolean ? flag : `${flag} <${placeholder(value)}>`
}

/** What is left of a setting when it has been read. */
function valueTypeOf(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) {
    return valueTypeOf(schema.unwrap())
  }
  return schema instanceof z.ZodPipe ? valueTypeOf(schema.out) : schema
}

function placeholder(schema: z.core.$ZodType): string {
  if (schema instanceof z.ZodEnum) return schema.options.join('|')
  return schema instanceof z.ZodNumber ? 'number' : 'value'
}
