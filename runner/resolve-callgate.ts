// A hook of Node's module loader, for the files of a function, wherever they lie: `callgate` means this
// package, a script with `import` or `export` in it is a module whatever the next package.json says, and
// every file that is found, or missed, is reported for watching. Runs on the loader's own thread.

import { readFile } from 'node:fs/promises'
import type { InitializeHook, ResolveHook } from 'node:module'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MessagePort } from 'node:worker_threads'

export interface HookData {
  /** Where this package lies: its own files are not the function's. */
  readonly packageUrl: string
  /** Specifier -> address, for what this package exports. */
  readonly exported: Readonly<Record<string, string>>
  /** One number of shared memory: 1 as soon as TypeScript is compiled. */
  readonly compiles: Uint8Array
  /** Takes the path of each file of the function. */
  readonly port: MessagePort
}

/** Scripts whose form their name does not tell. */
const AMBIGUOUS = new Set(['.js'])
const AMBIGUOUS_IF_COMPILED = new Set(['.ts', '.tsx', '.jsx'])
const MODULE_SYNTAX = /^\s*(?:import\s*[\w{*'"$]|export\s*[\w{*])/m

let data: HookData

export const initialize: InitializeHook<HookData> = (given) => {
  data = given
}

export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  const own = data.exported[specifier]
  if (own !== undefined) return { url: own, format: 'module', shortCircuit: true }
  try {
    const resolved = await nextResolve(specifier, context)
    if (!isOfFunction(resolved.url)) return resolved
    const path = fileURLToPath(resolved.url)
    data.port.postMessage(path)
    return (await isModule(path)) ? { ...resolved, format: 'module' } : resolved
  } catch (error) {
    for (const url of missedUrls(specifier, context.parentURL)) {
      if (isOfFunction(url)) data.port.postMessage(fileURLToPath(url))
    }
    throw error
  }
}

function isOfFunction(url: string): boolean {
  return (
    url.startsWith('file:') && !url.includes('/node_modules/') && !url.startsWith(data.packageUrl)
  )
}

/** Where a relative import that leads nowhere might lead: the file may be written later. */
function missedUrls(specifier: string, parentUrl: string | undefined): string[] {
  if (!/^\.{0,2}\/|^file:/.test(specifier) || !URL.canParse(specifier, parentUrl)) return []
  const { href } = new URL(specifier, parentUrl)
  // TypeScript's imports name the file that its compiler would make.
  return [href, href.replace(/\.([cm]?)js$/, '.$1ts')]
}

async function isModule(path: string): Promise<boolean> {
  const extension = extname(path)
  const isCompiled = data.compiles[0] === 1 && AMBIGUOUS_IF_COMPILED.has(extension)
  if (!isCompiled && !AMBIGUOUS.has(extension)) return false
  return MODULE_SYNTAX.test(await readFile(path, 'utf8').catch(() => ''))
}
