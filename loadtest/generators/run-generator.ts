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
  // A warning of Node's own may stand before it.
  return JSON.parse(output.trim().split('\n').at(-1)!) as Result
}
