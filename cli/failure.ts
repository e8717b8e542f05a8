// How the command ends when something is wrong: one clear sentence on standard error and an exit status,
// never a stack alone. 2: the command line or the configuration. 1: anything else.

import { ConfigError } from '../shared/config.js'

export const EXIT_FAILURE = 1
export const EXIT_USAGE = 2

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
])

/** Prints what is wrong and returns the exit status. */
export function reportFailure(error: unknown): number {
  if (error instanceof ConfigError) {
    process.stderr.write(`callgate: the configuration has faults:\n`)
    for (const fault of error.faults) process.stderr.write(`  ${fault}\n`)
    return EXIT_USAGE
  }
  if (error instanceof Error && (SENTENCES.has(error.name) || isAboutFile(error))) {
    process.stderr.write(`callgate: ${error.message}\n`)
    return EXIT_FAILURE
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`callgate: this is a bug in Callgate, please report it:\n${text}\n`)
  return EXIT_FAILURE
}

/** `ENOENT: no such file or directory, open '/keys.json'` says it all. */
function isAboutFile(error: NodeJS.ErrnoException): boolean {
  return error.path !== undefined && error.syscall !== undefined
}
