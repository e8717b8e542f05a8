// How the changes of a function's routes are told.

import type { RouteChanges } from '../shared/route-changes.js'

/** `+` for what is new, `-` for what is gone. */
export function printChanges(name: string, { added, removed, kept }: RouteChanges): void {
  process.stdout.write(`${name}\n`)
  for (const route of added) process.stdout.write(`  + ${route}\n`)
  for (const route of removed) process.stdout.write(`  - ${route}\n`)
  for (const route of kept) process.stdout.write(`    ${route}\n`)
}
