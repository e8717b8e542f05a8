// What went wrong, by how: put together, counted and in words.

import type { Errors } from './result.js'
import { sum } from './statistics.js'

export function mergeErrors(all: readonly Errors[]): Record<string, number> {
  const merged: Record<string, number> = {}
  for (const [kind, count] of all.flatMap((errors) => Object.entries(errors))) {
    merged[kind] = (merged[kind] ?? 0) + count
  }
  return merged
}

export function errorCount(errors: Errors): number {
  return sum(Object.values(errors))
}

/** What went wrong, with how often; 0 if nothing. */
export function formatErrors(errors: Errors): string {
  const counted = Object.entries(errors).filter(([, count]) => count > 0)
  return counted.map(([kind, count]) => `${count} ${kind}`).join(', ') || '0'
}
