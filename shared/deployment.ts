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
  /** Runners of a version that has no weight here, or is not in the registry, get no calls. */
  readonly traffic: Traffic
  /** Somebody has set the weights, by hand or by a deploy; else `traffic` is what goes without saying. */
  readonly isWeighted: boolean
}

const MOST_WEIGHT = 100

const trafficSchema = v.record(
  v.pipe(v.string(), v.regex(FUNCTION_VERSION)),
  v.pipe(v.number(), v.minValue(0), v.maxValue(MOST_WEIGHT)),
)

/** Weights as somebody has set them. */
export interface TrafficSetting {
  readonly traffic: Traffic
  /** By taking the ones before back. */
  readonly isRollback: boolean
}

/**
 * Stands among the weights that a rollback has set. For whoever does not know it, it is a version that is not
 * there and has no calls.
 */
const ROLLBACK_MARK = 'set-by-rollback'

/** Reads what `callgate deploy --weight` has written; null for what is none. */
export function readTraffic(text: string): TrafficSetting | null {
  try {
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value)) return null
    const traffic = v.parse(trafficSchema, value)
    const { [ROLLBACK_MARK]: mark, ...others } = traffic
    return mark === 0 ? { traffic: others, isRollback: true } : { traffic, isRollback: false }
  } catch {
    return null
  }
}

export function writeTraffic({ traffic, isRollback }: TrafficSetting): string {
  // A version of that name, with calls, is one.
  return JSON.stringify(isRollback ? { [ROLLBACK_MARK]: 0, ...traffic } : traffic)
}

/** Of a version that is not named: 0. A version may be called `constructor`. */
export function weightOf(traffic: Traffic | null, version: string): number {
  return traffic !== null && Object.hasOwn(traffic, version) ? traffic[version]! : 0
}

/** True when both name the same versions with the same weights, in any order. */
export function sameTraffic(a: Traffic, b: Traffic): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
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
  const weights = weightsInForce(names, traffic)
  const leader = leaderOf(names, weights)
  const manifest = versions.get(leader)!
  return { manifest, versions, traffic: weights, isWeighted: traffic !== null }
}

/** What the versions really have of the calls, in percent; one that has none is not named. */
export function sharesOf({ versions, traffic }: Pick<Deployment, 'versions' | 'traffic'>): Traffic {
  const names = [...versions.keys()].sort()
  const weights = weightsInForce(names, traffic)
  const weighted = names.filter((name) => weightOf(weights, name) > 0)
  const total = weighted.reduce((sum, name) => sum + weightOf(weights, name), 0)
  return Object.fromEntries(
    weighted.map((name) => [name, rounded((weightOf(weights, name) / total) * MOST_WEIGHT)]),
  )
}

/**
 * The weights after one version is given `weight` percent: the others share the rest as they did before.
 * Null where several others could have the rest, and none of them has calls now.
 */
export function withWeight(
  deployment: Deployment,
  version: string,
  weight: number,
): Traffic | null {
  const rest = MOST_WEIGHT - weight
  const others = [...deployment.versions.keys()].filter((name) => name !== version)
  if (others.length === 0) return { [version]: MOST_WEIGHT }
  const shares = sharesOf(deployment)
  const sharing = others.filter((name) => Object.hasOwn(shares, name)).sort()
  if (sharing.length === 0) {
    if (rest === 0) return { [version]: MOST_WEIGHT }
    return others.length === 1 ? { [others[0]!]: rest, [version]: weight } : null
  }
  const total = sharing.reduce((sum, name) => sum + weightOf(shares, name), 0)
  const scaled = sharing.map(
    (name) => [name, rounded((weightOf(shares, name) / total) * rest)] as const,
  )
  return Object.fromEntries([...scaled, [version, weight]])
}

function weightsInForce(names: readonly string[], traffic: Traffic | null): Traffic {
  if (traffic !== null && names.some((name) => weightOf(traffic, name) > 0)) return traffic
  // Nothing was said, or of versions only that are gone: a function is never without a version.
  return { [names.includes(DEFAULT_VERSION) ? DEFAULT_VERSION : names[0]!]: MOST_WEIGHT }
}

function leaderOf(names: readonly string[], traffic: Traffic | null): string {
  return names.reduce((best, name) =>
    weightOf(traffic, name) > weightOf(traffic, best) ? name : best,
  )
}

function rounded(share: number): number {
  return Math.round(share * 100) / 100
}
