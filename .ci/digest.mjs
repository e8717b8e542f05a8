// What is not ok in a run of tap, short enough for a log that keeps little: each assertion with its file and
// its test, then what was wanted and found, and where. Of a run that did not come to its totals, the end.
// Usage: node .ci/digest.mjs .tap/run.tap

import { readFileSync } from 'node:fs'

const MAX_LINES = 40
const MAX_LINES_OF_ONE = 8
const MAX_COLUMNS = 240

const lines = readFileSync(process.argv[2], 'utf8').split('\n')
const hasTotals = lines.some((line) => line.startsWith('# { total: '))
const digest = notOk(lines)
if (!hasTotals) digest.push('tap did not come to its totals; its last lines:', ...lastOf(lines))
for (const line of shortened(digest)) console.log(line)

/** @param {string[]} lines */
function notOk(lines) {
  /** How often each is there: a loop can fail at one place a hundred times. */
  const entries = new Map()
  /** The tests around a line, by depth; four spaces are one level. */
  const names = []
  /** How deep the last result was that was not ok: what is around it is not ok for its sake. */
  let deepest = -1
  for (const [at, line] of lines.entries()) {
    const [, indent = '', word, text] =
      /^((?: {4})*)(# Subtest:|not ok \d+ -|ok \d+ -) (.*)$/.exec(line) ?? []
    if (word === undefined) continue
    const depth = indent.length / 4
    if (word === '# Subtest:') {
      names.length = depth
      names[depth] = text
    } else if (word.startsWith('not ok')) {
      const isForItsChildren = depth < deepest
      deepest = depth
      if (isForItsChildren || / # (TODO|SKIP)/.test(text)) continue
      // The first is all of them, the second the file.
      const path = [...names.slice(1, depth), text.replace(/ # time=.*/, '')]
      const entry = [path.join(' > '), ...reasonsOf(diagnosis(lines, at + 1, indent))].join('\n')
      entries.set(entry, (entries.get(entry) ?? 0) + 1)
    } else if (depth < deepest) deepest = -1
  }
  return [...entries].flatMap(([entry, count]) => {
    const [name, ...reasons] = entry.split('\n')
    return [count === 1 ? name : `${name} (${count} times)`, ...reasons]
  })
}

/** The lines between `---` and `...` below a result, without their indentation. */
function diagnosis(lines, from, indent) {
  if (lines[from] !== `${indent}  ---`) return []
  const end = lines.indexOf(`${indent}  ...`, from)
  return lines.slice(from + 1, end).map((line) => line.slice(indent.length + 2))
}

function reasonsOf(diagnosis) {
  const reasons = []
  const place = { fileName: '', lineNumber: '' }
  let section = ''
  for (const line of diagnosis) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? []
    if (name !== undefined) section = name
    const text = line.trim()
    const isDifference = section === 'diff' && name === undefined && /^[^@]/.test(text)
    const isFact =
      /^(code|error|expired|exitCode|signal|found|message|wanted)$/.test(section) &&
      value !== 'null'
    if (isDifference && !/^(---|\+\+\+) /.test(text)) reasons.push(text)
    else if (isFact && section !== 'diff' && text !== '') reasons.push(text)
    else if (section === 'at' && / fileName:| lineNumber:/.test(line)) {
      const [key, at] = text.split(': ')
      place[key] ||= at
    }
  }
  if (reasons.length > MAX_LINES_OF_ONE) reasons.splice(MAX_LINES_OF_ONE, Infinity, '...')
  if (place.fileName !== '') reasons.push(`at ${place.fileName}:${place.lineNumber}`)
  return reasons.map((reason) => `    ${reason}`)
}

function lastOf(lines) {
  return lines.filter((line) => line.trim() !== '').slice(-MAX_LINES / 2)
}

function shortened(digest) {
  const more = digest.length - MAX_LINES
  const kept = more > 0 ? [...digest.slice(0, MAX_LINES - 1), `... ${more + 1} more lines`] : digest
  // Some records of a run end with the first line that has this word in it.
  return kept.map((line) => line.slice(0, MAX_COLUMNS).replaceAll(/failed/gi, 'f*iled'))
}
