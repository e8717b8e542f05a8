// Functions with many routes of all kinds, as files, and paths that lead to them.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Of one function: route patterns, and the path of a call for each. */
const ROUTES = [
  ['items', 'items'],
  ['items/list', 'items/list'],
  ['v1/models/load', 'v1/models/load'],
  ['status', 'status'],
  ['items/:id', 'items/4711'],
  ['items/:id/parts/:part', 'items/4711/parts/9'],
  [':kind/:id/of', 'books/12/of'],
  ['files/*', 'files/a/b/c.txt'],
  ['archive/:year/*', 'archive/2026/may/3'],
  ['v1/*', 'v1/anything/else'],
] as const

export const ROUTES_OF_FUNCTION = ROUTES.length

/** The one that has a runner; nobody may call the others. */
const CALLED = 'called'

export function calledPaths(): string[] {
  return pathsOf(CALLED)
}

/** Of all functions that nobody may call. */
export function forbiddenPaths(functions: number): string[] {
  return otherNames(functions).flatMap(pathsOf)
}

/** Paths that no function has, as deep as those that one has. */
export function unknownPaths(): string[] {
  return pathsOf('nowhere')
}

/**
 * Writes so many functions, the called one first.
 * @returns their files
 */
export async function writeFunctions(folder: string, functions: number): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const files: string[] = []
  for (const name of [CALLED, ...otherNames(functions)]) {
    const file = join(folder, `${name}.mjs`)
    await writeFile(file, sourceOf(name))
    files.push(file)
  }
  return files
}

function otherNames(functions: number): string[] {
  return Array.from({ length: functions - 1 }, (_, index) => `other-${index + 1}`)
}

function pathsOf(name: string): string[] {
  return ROUTES.map(([, path]) => `/${name}/${path}`)
}

function sourceOf(name: string): string {
  const routes = JSON.stringify(ROUTES.map(([pattern]) => `POST /${name}/${pattern}`))
  const auth = name === CALLED ? '' : "auth: { scope: 'of-nobody' }, "
  return (
    "import { defineFunction } from 'callgate'\n\n" +
    `export default defineFunction({ ${auth}maxInputs: 100, route: ${routes}, run: (input) => input })\n`
  )
}
