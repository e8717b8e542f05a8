// How the command ends when something is wrong: one clear sentence on standard error and an exit status,
// never a stack alone. 2: the command line or the configuration. 1: anything else.

import { ConfigError } from '../shared/config.js'

/** A failure whose message is the sentence for the user. */
export class UserFailure extends Error {
  override readonly name = 'UserFailure'
}

// Errors that other parts throw for the user to read; by name, so that this file need not import
// them all, the native module's among them.
const SENTENCES = new Set([
  'UserFailure',
  'NatsUnreachable',
  'RegistryUnavailable',
  'PortTaken',
  'UwsUnavailable',
  'LoadError',
  'ManifestError',
  'CallError',
  'NatsServerError',
])

/** Prints what is wrong and returns the exit status. */
export function reportFailure(error: unknown): number {
  if (error instanceof ConfigError) {
    process.stderr.write(`callgate: the configuration has faults:\n`)
    for (const fault of error.faults) process.stderr.write(`  ${fault}\n`)
    return 2
  }
  if (error instanceof Error && SENTENCES.has(error.name)) {
    process.stderr.write(`callgate: ${error.message}\n`)
    return 1
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`callgate: this is a bug in Callgate, please report it:\n${text}\n`)
  return 1
}
