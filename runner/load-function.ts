// A file of the user's -> the function that it exports. TypeScript needs no build step: tsx compiles it
// as it is imported. `import ... from 'callgate'` finds this package, wherever the file lies.

import { register as registerHooks } from 'node:module'
import { basename, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { register as registerTsx } from 'tsx/esm/api'
import { type DefinedFunction, isDefinedFunction } from './define-function.js'

export class LoadError extends Error {
  override readonly name = 'LoadError'
}

export interface LoadedFile {
  readonly definition: DefinedFunction
  /** The file's name without its extension. */
  readonly defaultName: string
}

/**
 * Imports the file and returns the function that it exports by default, or its only exported function.
 * @param onImport told every file that is imported on the way, for watching
 * Throws a LoadError with a sentence; its cause has the stack.
 */
export async function loadFunction(
  file: string,
  onImport: (path: string) => void = () => {},
): Promise<LoadedFile> {
  const path = resolve(file)
  registerTsx({
    onImport: (url) => {
      if (url.startsWith('file:')) onImport(new URL(url).pathname)
    },
  })
  registerHooks(new URL('./resolve-callgate.js', import.meta.url), {
    data: { self: new URL('./define-function.js', import.meta.url).href },
  })
  return { definition: await importFunction(path), defaultName: basename(path, extname(path)) }
}

async function importFunction(path: string): Promise<DefinedFunction> {
  let exported: Record<string, unknown>
  try {
    exported = await import(pathToFileURL(path).href)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new LoadError(`${path} cannot be imported: ${reason}`, { cause: error })
  }
  if (isDefinedFunction(exported.default)) return exported.default
  const functions = Object.values(exported).filter(isDefinedFunction)
  if (functions.length === 1) return functions[0]!
  throw new LoadError(
    functions.length === 0
      ? `${path} exports no function; add \`export default defineFunction({ ... })\`.`
      : `${path} exports ${functions.length} functions; make one of them the default export.`,
  )
}
