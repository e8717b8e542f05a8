// A Result for the terminal.

import { formatErrors } from './errors.js'
import type { Result } from './result.js'
import { TARGET_COLUMNS, targetCells } from './targets.js'
import { formatTable } from './text-table.js'

const WIDTH = 100

export function formatResult(result: Result): string {
  const { scenario, title, machine, commit, others, tables, targets, notes, errors } = result
  const paragraphs = [
    [`${scenario}: ${title}`, `${machine}, ${commit}, ${others}`],
    ...tables.map((table) => [
      ...(table.title === undefined ? [] : [table.title, '']),
      ...formatTable(table.columns, table.rows),
    ]),
    ...(targets.length === 0 ? [] : [formatTable(TARGET_COLUMNS, targets.map(targetCells))]),
    [`errors: ${formatErrors(errors)}`],
    notes.flatMap(wrapped),
  ]
  const filled = paragraphs.filter((lines) => lines.length > 0)
  return filled.map((lines) => lines.join('\n')).join('\n\n')
}

function wrapped(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`
    if (lines.length > 0 && longer.length <= WIDTH) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}
