// What a report is drawn from, as a file: the Results of one or several load tests.

import { readFile, writeFile } from 'node:fs/promises'
import type { Result } from './result.js'

export interface Report {
  readonly results: readonly Result[]
  readonly missing: readonly Missing[]
}

/** A scenario that came to no Result. */
export interface Missing {
  readonly command: string
  readonly reason: string
}

/** Of files with a Result or a Report each, in their order. */
export async function readReport(files: readonly string[]): Promise<Report> {
  const reports = await Promise.all(files.map(readOne))
  return {
    results: reports.flatMap(({ results }) => results),
    missing: reports.flatMap(({ missing }) => missing),
  }
}

/** A result a line: rounds are long, and for programs. */
export async function writeReport(file: string, { results, missing }: Report): Promise<void> {
  const lines = results.map((result) => JSON.stringify(result)).join(',\n')
  await writeFile(file, `{"results":[\n${lines}\n],\n"missing":${JSON.stringify(missing)}}\n`)
}

async function readOne(file: string): Promise<Report> {
  const content = JSON.parse(await readFile(file, 'utf8')) as Report | Result
  if ('results' in content) return content
  if ('scenario' in content && 'tables' in content) return { results: [content], missing: [] }
  throw new Error(`${file} is no result of a load test: write one with --json.`)
}
