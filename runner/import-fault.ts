// Why a function's file could not be imported, and where in it: one line, for the one who is writing it.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @param files the function's own, of which one has the fault */
export function importFault(error: unknown, files: ReadonlySet<string>): string {
  if (!(error instanceof Error)) return String(error)
  if (isUnknownExtension(error)) {
    return `${error.message.trim()}: only a function in TypeScript may import TypeScript`
  }
  const compiler = COMPILER_FAULT.exec(error.message)
  if (compiler !== null) return `${compiler[2]} (${compiler[1]})`
  const place = placeInStack(error.stack ?? '', files)
  if (place === null && (error.name === 'SyntaxError' || error.message.startsWith('Parse error'))) {
    const fault = scriptFault(files)
    if (fault !== null) return fault
  }
  const text = error.message.trim().replaceAll(/\s*\n\s*/g, ' ')
  return place === null ? text : `${text} (${place})`
}

/** Of Node, of TypeScript too where it does not know that by itself. */
function isUnknownExtension(error: Error): boolean {
  return (
    'code' in error &&
    error.code === 'ERR_UNKNOWN_FILE_EXTENSION' &&
    /"\.[cm]?tsx?"/.test(error.message)
  )
}

/** What esbuild says, which tsx compiles with; the first fault, where there are several. */
const COMPILER_FAULT = /^Transform failed with .*\n(.+?:\d+:\d+): ERROR: (.*)/

const STACK_PLACE = /^(?: +at (?:.*\()?)?((?:file:\/\/)?\/.+?)(:\d+(?::\d+)?)\)?$/gm

/** The first place that is the function's own; the others are Node's and ours. */
function placeInStack(stack: string, files: ReadonlySet<string>): string | null {
  for (const [, file, position] of stack.matchAll(STACK_PLACE)) {
    const path = file!.startsWith('file:') ? fileURLToPath(file!) : file!
    if (files.has(path)) return path + position!
  }
  return null
}

/** Node keeps the place of a syntax error in a script to itself, and tsx guesses: `--check` tells. */
function scriptFault(files: ReadonlySet<string>): string | null {
  for (const file of files) {
    if (!['.js', '.mjs'].includes(extname(file))) continue
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '--check', '-'], {
      input: readFileSync(file),
      encoding: 'utf8',
    })
    const fault = /^\[stdin\](:\d+)\n[\s\S]*?^SyntaxError: (.*)$/m.exec(stderr)
    if (fault !== null) return `${fault[2]} (${file}${fault[1]})`
  }
  return null
}
