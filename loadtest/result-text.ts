// A result for the terminal and as JSON, and the exit code that it makes.

import { writeFile } from 'node:fs/promises'
import type { Result, Target } from './report/result.js'
import { formatErrors } from './report.js'
import { formatTable, joinParagraphs } from './table.js'

export async function tellResult(result: Result, jsonFile: string | undefined): Promise<void> {
  console.log(textOf(result))
  if (jsonFile) await writeFile(jsonFile, `${JSON.stringify(result, null, 2)}\n`)
  if (Object.values(result.errors).some((count) => count > 0)) process.exitCode = 1
}

function textOf(result: Result): string {
  const { title, machine, tables, targets, notes, errors } = result
  return joinParagraphs([
    [title, machine],
    ...tables.map((table) => [
      ...(table.title === undefined ? [] : [table.title]),
      ...formatTable(
        table.columns,
        table.rows.map((row) => [...row]),
      ),
    ]),
    targets.map(targetLine),
    [`errors: ${formatErrors(errors)}`],
    [...notes],
  ])
}

function targetLine({ name, unit, comparison, target, value }: Target): string {
  const isMet = comparison === 'at most' ? value <= target : value >= target
  return `${name}: ${value.toFixed(2)} ${unit}, target ${comparison} ${target}: ${isMet ? 'met' : 'MISSED'}`
}
