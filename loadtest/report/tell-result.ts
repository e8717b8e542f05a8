// The end of a load test: its tables on stdout, its Result in a file, and its exit code. A target that is
// missed leaves the exit code alone: it is a figure, and the machine may be to blame.

import { writeFile } from 'node:fs/promises'
import { errorCount } from './errors.js'
import type { Result } from './result.js'
import { formatResult } from './text.js'

export async function tellResult(result: Result, jsonFile: string | undefined): Promise<void> {
  console.log(formatResult(result))
  if (jsonFile) await writeFile(jsonFile, `${JSON.stringify(result, null, 2)}\n`)
  if (errorCount(result.errors) > 0) process.exitCode = 1
}
