// Readies this process for importing functions: our hook of the module loader, and for TypeScript the
// compiler's behind it. Where this Node can run hooks in the thread that imports, they do; else they have a
// thread of their own, which takes a tenth of a second to start, and every import crosses over to it.

import nodeModule from 'node:module'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import type { Language } from './fleet/language.js'
import {
  type HookData,
  type ResolveHookSync,
  resolveHook,
  type ThreadData,
} from './resolve-callgate.js'

export interface ImportHooks {
  /**
   * @param onFile told the path of every file of a function that is found, or missed
   * @returns what ends that
   */
  listen(onFile: OnFile): () => void
  /** Tells at once what would be told in a moment. */
  catchUp(): void
}

type OnFile = (path: string) => void

/** Node's, where it has it; not in the type definitions of the oldest Node that we support. */
type RegisterHooks = (hooks: { readonly resolve: ResolveHookSync }) => void

/** In each line of releases, the first whose synchronous hooks the compiler trusts: ours must be before its. */
const FIRST_SYNCHRONOUS: Readonly<Record<number, readonly [minor: number, patch: number]>> = {
  22: [22, 3],
  24: [11, 1],
}

let installed: ImportHooks | null = null
/** One number of shared memory: 1 as soon as TypeScript is compiled. */
const compiles = new Uint8Array(new SharedArrayBuffer(1))

/** Idempotent. What is imported before need not pass the hooks. */
export async function installHooks(language: Language): Promise<ImportHooks> {
  if (language === 'javascript') {
    installed ??= installOwn()
    return installed
  }
  // Before there are hooks that it would have to pass.
  const { register } = await import('tsx/esm/api')
  installed ??= installOwn()
  // After ours, so that it hears of them which scripts are modules.
  if (compiles[0] === 0) register()
  compiles[0] = 1
  return installed
}

function installOwn(): ImportHooks {
  const data: HookData = {
    packageUrl: new URL('../', import.meta.url).href,
    exported: {
      callgate: new URL('./define-function.js', import.meta.url).href,
      'callgate/client': new URL('../client/client.js', import.meta.url).href,
    },
    compiles,
  }
  return hasSynchronousHooks() ? installInThisThread(data) : installInOwnThread(data)
}

function installInThisThread(data: HookData): ImportHooks {
  const listeners = new Set<OnFile>()
  const { registerHooks } = nodeModule as unknown as { registerHooks: RegisterHooks }
  registerHooks({ resolve: resolveHook(data, (path) => tell(listeners, path)) })
  return { listen: (onFile) => listenIn(listeners, onFile), catchUp: () => {} }
}

function installInOwnThread(data: HookData): ImportHooks {
  const listeners = new Set<OnFile>()
  const { port1, port2 } = new MessageChannel()
  port1.on('message', (path: string) => tell(listeners, path))
  // Only listening: the function alone decides how long the process lives.
  port1.unref()
  nodeModule.register(new URL('./resolve-callgate.js', import.meta.url), {
    data: { ...data, port: port2 } satisfies ThreadData,
    transferList: [port2],
  })
  const catchUp = () => {
    for (let next = receiveMessageOnPort(port1); next; next = receiveMessageOnPort(port1)) {
      tell(listeners, next.message)
    }
  }
  return { listen: (onFile) => listenIn(listeners, onFile), catchUp }
}

function listenIn(listeners: Set<OnFile>, onFile: OnFile): () => void {
  listeners.add(onFile)
  return () => listeners.delete(onFile)
}

function tell(listeners: Set<OnFile>, path: string): void {
  for (const listener of listeners) listener(path)
}

function hasSynchronousHooks(): boolean {
  const [major = 0, minor = 0, patch = 0] = process.versions.node.split('.').map(Number)
  if (major > 24) return true
  const first = FIRST_SYNCHRONOUS[major]
  if (first === undefined) return false
  return minor > first[0] || (minor === first[0] && patch >= first[1])
}
