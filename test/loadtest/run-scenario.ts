import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const PROGRAM = join(import.meta.dirname, '..', '..', 'loadtest', 'main.js')

/** A load test; resolves with its table, and rejects if its exit code is not 0. */
export async function runScenario(name: string, ...args: readonly string[]): Promise<string> {
  const command = [PROGRAM, name, ...args]
  return (await promisify(execFile)(process.execPath, command)).stdout
}
