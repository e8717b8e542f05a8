// How the command ends when something is wrong: one clear sentence on standard error and an exit status,
// never a stack alone. 2: the command line or the configuration. 1: anything else.

import { existsSync } from 'node:fs'
import { ConfigError } from '../shared/config.js'

export const EXIT_FAILURE = 1
export const EXIT_USAGE = 2

/** A failure whose message is the sentence for the user. */
export class UserFailure extends Error {
  override readonly name: string = 'UserFailure'
}

/** The command line asks for what cannot be. */
export class UsageFailure extends UserFailure {
  override readonly name = 'UsageFailure'
}

/** Throws a UsageFailure that names the files that are not there. */
export function checkThere(files: readonly string[]): void {
  const missing = files.filter((file) => !existsSync(file))
  if (missing.length > 0) throw new UsageFailure(`${missing.join(', ')}: no such file.`)
}

// Errors that other parts throw for the user to read; by name, so that this file need not import
// them all, the native module's among them.
const SENTENCES = new Set([
  'UserFailure',
  'UsageFailure',
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
    return error instanceof UsageFailure ? EXIT_USAGE : EXIT_FAILURE
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`callgate: this is a bug in Callgate, please report it:\n${text}\n`)
  return EXIT_FAILURE
}

/** `ENOENT: no such file or directory, open '/keys.json'` says it all. */
function isAboutFile(error: NodeJS.ErrnoException): boolean {
  return error.path !== undefined && error.syscall !== undefined
}
