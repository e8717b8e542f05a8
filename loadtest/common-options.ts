// The options that every scenario has.

import { type Command, InvalidArgumentError } from 'commander'

export interface CommonOptions {
  readonly rounds: number
  /** All that are there if absent. */
  readonly only?: readonly string[]
  readonly logLevel?: string
  readonly json?: string
  readonly cpuProf?: string
}

/** @param subjects the names that --only may give */
export function addCommonOptions(
  command: Command,
  subjects: readonly string[],
  defaultRounds: number,
): Command {
  const chosen = (text: string): string[] => {
    const names = text.split(',')
    const unknown = names.find((name) => !subjects.includes(name))
    if (unknown === undefined) return names
    throw new InvalidArgumentError(`"${unknown}" is none of ${subjects.join(', ')}.`)
  }
  return command
    .option('--rounds <n>', 'measured rounds of each subject', positiveInteger, defaultRounds)
    .option('--only <subjects>', `of ${subjects.join(', ')}; all by default`, chosen)
    .option('--log-level <level>', "of Callgate's gateway and runner")
    .option('--json <file>', 'write all numbers into this file')
    .option('--cpu-prof <directory>', "write CPU profiles of Callgate's gateway and runner")
}

export function positiveInteger(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a whole number above 0.')
}

export function positiveNumber(text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a number above 0.')
}
