// A hook of Node's module loader, for the files of a function, wherever they lie: `callgate` means this
// package, a script with `import` or `export` in it is a module whatever the next package.json says, and
// every file that is found, or missed, is reported for watching. `import-hooks.ts` installs it: in a thread
// of the loader's own, or in the one that imports.

import { readFileSync } from 'node:fs'
import type { InitializeHook, ResolveFnOutput, ResolveHook, ResolveHookContext } from 'node:module'
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
}

/** What a thread of its own is told. */
export interface ThreadData extends HookData {
  /** Takes the path of each file of the function. */
  readonly port: MessagePort
}

/** As Node defines it for `module.registerHooks`. */
export type ResolveHookSync = (
  specifier: string,
  context: ResolveHookContext,
  nextResolve: (specifier: string, context?: Partial<ResolveHookContext>) => ResolveFnOutput,
) => ResolveFnOutput

/** Scripts whose form their name does not tell. */
const AMBIGUOUS = new Set(['.js'])
const AMBIGUOUS_IF_COMPILED = new Set(['.ts', '.tsx', '.jsx'])
const MODULE_SYNTAX = /^\s*(?:import\s*[\w{*'"$]|export\s*[\w{*])/m

// ---- in a thread of the loader's own --------------------------------------------------------------

let resolver: Resolver

export const initialize: InitializeHook<ThreadData> = (data) => {
  resolver = new Resolver(data, (path) => data.port.postMessage(path))
}

export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  const exported = resolver.exported(specifier)
  if (exported !== null) return exported
  try {
    return resolver.found(await nextResolve(specifier, context))
  } catch (error) {
    resolver.missed(specifier, context.parentURL)
    throw error
  }
}

// ---- in the thread that imports -------------------------------------------------------------------

/** @param onFile takes the path of each file of the function */
export function resolveHook(data: HookData, onFile: (path: string) => void): ResolveHookSync {
  const resolver = new Resolver(data, onFile)
  return (specifier, context, nextResolve) => {
    const exported = resolver.exported(specifier)
    if (exported !== null) return exported
    try {
      return resolver.found(nextResolve(specifier, context))
    } catch (error) {
      resolver.missed(specifier, context.parentURL)
      throw error
    }
  }
}

// ---- what both do ---------------------------------------------------------------------------------

class Resolver {
  readonly #data: HookData
  readonly #onFile: (path: string) => void

  constructor(data: HookData, onFile: (path: string) => void) {
    this.#data = data
    this.#onFile = onFile
  }

  exported(specifier: string): ResolveFnOutput | null {
    const url = this.#data.exported[specifier]
    return url === undefined ? null : { url, format: 'module', shortCircuit: true }
  }

  found(resolved: ResolveFnOutput): ResolveFnOutput {
    if (!this.#isOfFunction(resolved.url)) return resolved
    const path = fileURLToPath(resolved.url)
    this.#onFile(path)
    return this.#isModule(path) ? { ...resolved, format: 'module' } : resolved
  }

  missed(specifier: string, parentUrl: string | undefined): void {
    for (const url of missedUrls(specifier, parentUrl)) {
      if (this.#isOfFunction(url)) this.#onFile(fileURLToPath(url))
    }
  }

  #isOfFunction(url: string): boolean {
    const { packageUrl } = this.#data
    return url.startsWith('file:') && !url.includes('/node_modules/') && !url.startsWith(packageUrl)
  }

  #isModule(path: string): boolean {
    const extension = extname(path)
    const isCompiled = this.#data.compiles[0] === 1 && AMBIGUOUS_IF_COMPILED.has(extension)
    if (!isCompiled && !AMBIGUOUS.has(extension)) return false
    try {
      return MODULE_SYNTAX.test(readFileSync(path, 'utf8'))
    } catch {
      return false
    }
  }
}

/** Where a relative import that leads nowhere might lead: the file may be written later. */
function missedUrls(specifier: string, parentUrl: string | undefined): string[] {
  if (!/^\.{0,2}\/|^file:/.test(specifier) || !URL.canParse(specifier, parentUrl)) return []
  const { href } = new URL(specifier, parentUrl)
  // TypeScript's imports name the file that its compiler would make.
  return [href, href.replace(/\.([cm]?)js$/, '.$1ts')]
}
