// A file of the user's -> the function that it exports. TypeScript needs no build step: tsx compiles it
// as it is imported. JavaScript is imported as Node does it. `import ... from 'callgate'` finds this
// package, wherever the file lies.

import { register as registerHooks } from 'node:module'
import { basename, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { type DefinedFunction, isDefinedFunction } from './define-function.js'
import { type Language, languageOf } from './fleet/language.js'
import { importFault } from './import-fault.js'
import type { HookData } from './resolve-callgate.js'

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
  const port = await installHooks(languageOf(path))
  port.on('message', onFile)
  // Only listening: the function alone decides how long the process lives.
  port.unref()

  const [imported] = await Promise.allSettled([import(pathToFileURL(path).href)])
  // Whoever hears of a failure must know by then in which files it can be mended.
  for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
    onFile(next.message)
  }
  // What it imports later, within a call, matters only to one who watches.
  if (onImport === undefined) port.off('message', onFile)
  if (imported.status === 'rejected') {
    const { reason } = imported
    const sentence = `${path} cannot be imported: ${importFault(reason, files)}`
    throw new LoadError(sentence, { cause: reason })
  }
  const definition = functionOf(imported.value, path)
  return { definition, defaultName: basename(path, extname(path)) }
}

let installedPort: MessagePort | null = null
const compiles = new Uint8Array(new SharedArrayBuffer(1))
let compiler: Promise<unknown> | null = null

/** Readies this process for importing functions; returns where their files are reported. */
export async function installHooks(language: Language): Promise<MessagePort> {
  installedPort ??= installOwnHooks()
  // After ours, so that it hears of them which scripts are modules.
  if (language === 'typescript') {
    compiler ??= import('tsx/esm/api').then(({ register }) => {
      register()
      compiles[0] = 1
    })
    await compiler
  }
  return installedPort
}

function installOwnHooks(): MessagePort {
  const { port1, port2 } = new MessageChannel()
  const data: HookData = {
    packageUrl: new URL('../', import.meta.url).href,
    exported: {
      callgate: new URL('./define-function.js', import.meta.url).href,
      'callgate/client': new URL('../client/client.js', import.meta.url).href,
    },
    compiles,
    port: port2,
  }
  registerHooks(new URL('./resolve-callgate.js', import.meta.url), { data, transferList: [port2] })
  return port1
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
