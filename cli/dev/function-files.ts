// Which files `callgate dev` runs: the ones that it was given, and in a folder every script at its top
// that imports `defineFunction` from `callgate`. What lies deeper belongs to one of them.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { UsageFailure } from '../failure.js'

const EXTENSIONS = new Set(['.ts', '.mts', '.js', '.mjs'])
const IMPORTS_CALLGATE =
  /\bdefineFunction\b[^;'"]*from\s*['"]callgate['"]|import\(\s*['"]callgate['"]\s*\)/

export interface FunctionPaths {
  /** Absolute, sorted. */
  readonly files: readonly string[]
  /** Where more may appear. */
  readonly folders: readonly string[]
}

/** Throws a UsageFailure for a path that is not there. */
export function functionPaths(paths: readonly string[]): FunctionPaths {
  const files = new Set<string>()
  const folders = new Set<string>()
  for (const path of paths.map((given) => resolve(given))) {
    const entry = statSync(path, { throwIfNoEntry: false })
    if (entry === undefined) throw new UsageFailure(`${path} does not exist.`)
    if (!entry.isDirectory()) files.add(path)
    else {
      folders.add(path)
      const names = readdirSync(path).map((name) => join(path, name))
      for (const file of names) if (isScript(file) && looksLikeFunction(file)) files.add(file)
    }
  }
  return { files: [...files].sort(), folders: [...folders] }
}

/** Whether a script is a function's, and not only a part of one. */
export function looksLikeFunction(file: string): boolean {
  try {
    return IMPORTS_CALLGATE.test(readFileSync(file, 'utf8'))
  } catch {
    // A folder, or gone again: nothing that can be run.
    return false
  }
}

export function isScript(name: string): boolean {
  return EXTENSIONS.has(extname(name)) && !/\.(d|test|spec)\.m?[jt]s$/.test(name)
}
