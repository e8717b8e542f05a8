// The end of a load test: its table on stdout, its numbers in a file, and its exit code.

import { writeFile } from 'node:fs/promises'
import type { Measurement } from './generators/load.js'
import { errorCount } from './report.js'

export async function tellOutcome(
  text: string,
  report: { readonly subjects: readonly Pick<Measurement, 'errors'>[] },
  jsonFile: string | undefined,
): Promise<void> {
  console.log(text)
  if (jsonFile) await writeFile(jsonFile, `${JSON.stringify(report, null, 2)}\n`)
  if (errorCount(report) > 0) process.exitCode = 1
}
