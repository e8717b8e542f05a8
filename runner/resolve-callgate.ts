// A hook of Node's module loader: `callgate` means this package, for function files that lie outside of
// any project that has it installed. Runs on the loader's own thread, so it shares nothing with us.

import type { InitializeHook, ResolveHook } from 'node:module'

let self = ''

export const initialize: InitializeHook<{ self: string }> = (data) => {
  self = data.self
}

export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  if (specifier !== 'callgate') return nextResolve(specifier, context)
  return { url: self, shortCircuit: true }
}
