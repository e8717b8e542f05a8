// Which ends of calls a scenario takes for right, and what is left: its faults, each told with its call.

import { tell } from '../progress.js'
import { RIGHT, type UnaryLoad } from './unary-load.js'

/** @returns faults by what they were */
export function faultsOf(
  load: UnaryLoad,
  isAllowed: (outcome: string) => boolean = (outcome) => outcome === RIGHT,
): Record<string, number> {
  const faults: Record<string, number> = {}
  for (const { id, outcome } of load.failures) {
    if (isAllowed(outcome)) continue
    faults[outcome] = (faults[outcome] ?? 0) + 1
    tell(`${id}: ${outcome}`)
  }
  return faults
}
