import { join } from 'node:path'
import type { Testbed } from '../testbed.js'

/** Runs a generator of ours to its end: its load in the first argument, its result on stdout. */
export async function runGenerator<Result>(
  testbed: Testbed,
  name: string,
  load: object,
  timeoutMs: number,
): Promise<Result> {
  const program = join(import.meta.dirname, '..', `${name}.js`)
  const command = [process.execPath, program, JSON.stringify(load)]
  const output = await testbed.run(name, command, timeoutMs)
  // A warning of Node's own, on stderr, may stand before or behind it.
  const result = output.split('\n').findLast((line) => line.startsWith('{'))
  if (result === undefined) throw new Error(`${name} ended without a result: ${output}`)
  return JSON.parse(result) as Result
}
