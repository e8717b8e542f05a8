// What a function's file is written in. JavaScript is Node's own; TypeScript takes a compiler, which is
// more than half of the CPU time of a start, so it is loaded for those who need it.

import { extname } from 'node:path'

export type Language = 'javascript' | 'typescript'

const OF_NODE = new Set(['.js', '.mjs', '.cjs'])

/** JSX counts as TypeScript: it takes the same compiler. */
export function languageOf(file: string): Language {
  return OF_NODE.has(extname(file)) ? 'javascript' : 'typescript'
}
