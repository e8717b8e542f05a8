// Which files `callgate dev` runs: the ones that it was given, and in a folder every script at its top
// that speaks of `callgate`. What lies deeper belongs to one of them.

import { readdir, readFile, stat } from 'node:fs/promises'
import { extname, join, resolve } from 'node:path'
import { UserFailure } from '../failure.js'

const EXTENSIONS = new Set(['.ts', '.mts', '.js', '.mjs'])
const IMPORTS_CALLGATE = /from\s+['"]callgate['"]|import\(['"]callgate['"]\)/

/** Absolute paths, sorted. Throws a UserFailure for a path that is not there. */
export async function functionFiles(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map(filesUnder))
  return [...new Set(found.flat())].sort()
}

export function folderOf(path: string): Promise<string | null> {
  return stat(path).then(
    (entry) => (entry.isDirectory() ? resolve(path) : null),
    () => null,
  )
}

async function filesUnder(path: string): Promise<string[]> {
  const entry = await stat(path).catch(() => {
    throw new UserFailure(`${path} does not exist.`)
  })
  if (!entry.isDirectory()) return [resolve(path)]
  const names = (await readdir(path)).filter(isScript)
  const files = await Promise.all(
    names.map(async (name) => {
      const file = resolve(join(path, name))
      return (await looksLikeFunction(file)) ? file : null
    }),
  )
  return files.filter((file) => file !== null)
}

/** Whether a file that has appeared in a watched folder is a function's. */
export async function looksLikeFunction(file: string): Promise<boolean> {
  if (!isScript(file)) return false
  const text = await readFile(file, 'utf8').catch(() => '')
  return IMPORTS_CALLGATE.test(text)
}

function isScript(name: string): boolean {
  return EXTENSIONS.has(extname(name)) && !/\.(d|test|spec)\.m?[jt]s$/.test(name)
}
