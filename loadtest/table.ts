// Text of a report: a table whose columns are as wide as their widest cell, and paragraphs.

export function formatTable(columns: readonly string[], rows: readonly string[][]): string[] {
  const widths = columns.map((column, index) =>
    Math.max(...[column, ...rows.map((row) => row[index]!)].map((cell) => cell.length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index]!)).join(' | ')} |`
  const rule = line(widths.map((width) => '-'.repeat(width)))
  return [line(columns), rule, ...rows.map(line)]
}

/** With a blank line between those that are not empty. */
export function joinParagraphs(paragraphs: readonly (readonly string[])[]): string {
  const filled = paragraphs.filter((lines) => lines.length > 0)
  return filled.map((lines) => lines.join('\n')).join('\n\n')
}
