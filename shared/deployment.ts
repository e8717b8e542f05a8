// One function as the registry has it: its versions, and how calls are shared out among them. Pure.
//
// While several versions take calls, the routes and limits are those of the one with the most weight.

import * as v from 'valibot'
import { DEFAULT_VERSION, FUNCTION_VERSION, type Manifest } from './manifest.js'

/** Weights by version; a version that is not named gets no calls. */
export type Traffic = Readonly<Record<string, number>>

export interface Deployment {
  /** Of the version that leads: the one whose routes and limits hold. */
  readonly manifest: Manifest
  readonly versions: ReadonlyMap<string, Manifest>
  /** Null: there is one version, and every runner is of it. */
  readonly traffic: Traffic | null
}

const MOST_WEIGHT = 100

const trafficSchema = v.record(
  v.pipe(v.string(), v.regex(FUNCTION_VERSION)),
  v.pipe(v.number(), v.minValue(0), v.maxValue(MOST_WEIGHT)),
)

/** Reads what `callgate deploy --weight` has written; null for what is none. */
export function readTraffic(text: string): Traffic | null {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? null : v.parse(trafficSchema, value)
  } catch {
    return null
  }
}

/**
 * Puts together what the registry has of one function; null when there is no version.
 * @param traffic as it was set, or null: then the version without a name has all calls, and any other
 *   waits for its weight
 */
export function deploymentOf(
  versions: ReadonlyMap<string, Manifest>,
  traffic: Traffic | null,
): Deployment | null {
  const names = [...versions.keys()].sort()
  if (names.length === 0) return null
  const isSingle = traffic === null && names.length === 1 && names[0] === DEFAULT_VERSION
  const shares = isSingle ? null : sharesOf(names, traffic)
  const leader = leaderOf(names, shares)
  return { manifest: versions.get(leader)!, versions, traffic: shares }
}

/**
 * The traffic after one version is given `weight` percent: the others share the rest as they did before.
 */
export function withWeight(traffic: Traffic | null, version: string, weight: number): Traffic {
  const others = Object.entries(traffic ?? { [DEFAULT_VERSION]: MOST_WEIGHT }).filter(
    ([name, share]) => name !== version && share > 0,
  )
  const total = others.reduce((sum, [, share]) => sum + share, 0)
  if (total === 0) return { [version]: MOST_WEIGHT }
  const rest = MOST_WEIGHT - weight
  const scaled = others.map(([name, share]) => [name, rounded((share / total) * rest)] as const)
  return Object.fromEntries([...scaled, [version, weight]])
}

function sharesOf(names: readonly string[], traffic: Traffic | null): Traffic {
  if (traffic !== null && names.some((name) => (traffic[name] ?? 0) > 0)) return traffic
  // Nothing was said, or of versions only that are gone: a function is never without a version.
  return { [names.includes(DEFAULT_VERSION) ? DEFAULT_VERSION : names[0]!]: MOST_WEIGHT }
}

function leaderOf(names: readonly string[], traffic: Traffic | null): string {
  return names.reduce((best, name) =>
    (traffic?.[name] ?? 0) > (traffic?.[best] ?? 0) ? name : best,
  )
}

function rounded(share: number): number {
  return Math.round(share * 100) / 100
}
