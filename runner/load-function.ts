// A file of the user's -> the function that it exports. TypeScript needs no build step: tsx compiles it
// as it is imported. JavaScript is imported as Node does it. `import ... from 'callgate'` finds this
// package, wherever the file lies.

import { basename, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type DefinedFunction, isDefinedFunction } from './define-function.js'
import { languageOf } from './fleet/language.js'
import { importFault } from './import-fault.js'
import { installHooks } from './import-hooks.js'

export class LoadError extends Error {
  override readonly name = 'LoadError'
  readonly code: 'load_failed' | 'load_timeout'

  constructor(
    message: string,
    { code = 'load_failed', cause }: { code?: LoadError['code']; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

export interface LoadedFile {
  readonly definition: DefinedFunction
  /** The file's name without its extension. */
  readonly defaultName: string
}

/**
 * Imports the file and returns the function that it exports by default, or its only exported function.
 * @param onImport told every file of the function, once or more: the file itself, what it imports, and
 * what it tries to import in vain. Not told of what lies in `node_modules`.
 * Throws a LoadError with a sentence; its cause has the stack.
 */
export async function loadFunction(
  file: string,
  onImport?: (path: string) => void,
): Promise<LoadedFile> {
  const path = resolve(file)
  const files = new Set<string>()
  const onFile = (imported: string) => {
    files.add(imported)
    onImport?.(imported)
  }
  const hooks = await installHooks(languageOf(path))
  const stopListening = hooks.listen(onFile)
  const [imported] = await Promise.allSettled([import(pathToFileURL(path).href)])
  // Whoever hears of a failure must know by then in which files it can be mended.
  hooks.catchUp()
  // What it imports later, within a call, matters only to one who watches.
  if (onImport === undefined) stopListening()
  if (imported.status === 'rejected') {
    const { reason } = imported
    const sentence = `${path} cannot be imported: ${importFault(reason, files)}`
    throw new LoadError(sentence, { cause: reason })
  }
  const definition = functionOf(imported.value, path)
  return { definition, defaultName: basename(path, extname(path)) }
}

function functionOf(exported: Record<string, unknown>, path: string): DefinedFunction {
  if (isDefinedFunction(exported.default)) return exported.default
  const functions = Object.values(exported).filter(isDefinedFunction)
  if (functions.length === 1) return functions[0]!
  throw new LoadError(
    functions.length === 0
      ? `${path} exports no function; add \`export default defineFunction({ ... })\`.`
      : `${path} exports ${functions.length} functions; make one of them the default export.`,
  )
}
