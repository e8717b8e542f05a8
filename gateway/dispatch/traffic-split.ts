// Which version of a function gets the next call, where several are deployed at once. Pure.

import { type Traffic, weightOf } from '../../shared/deployment.js'

export class TrafficSplit {
  readonly traffic: Traffic
  /** What each version is owed: smooth weighted round robin, so that ten in a hundred come one in ten. */
  readonly #owed = new Map<string, number>()

  constructor(traffic: Traffic) {
    this.traffic = traffic
  }

  weightOf(version: string): number {
    return weightOf(this.traffic, version)
  }

  /** The version whose turn it is among those that can take a call; undefined when none has a weight. */
  pick(versions: ReadonlySet<string>): string | undefined {
    let total = 0
    let best: string | undefined
    let bestOwed = Number.NEGATIVE_INFINITY
    for (const version of versions) {
      const weight = this.weightOf(version)
      if (weight <= 0) continue
      total += weight
      const owed = (this.#owed.get(version) ?? 0) + weight
      this.#owed.set(version, owed)
      if (owed > bestOwed) {
        best = version
        bestOwed = owed
      }
    }
    if (best !== undefined) this.#owed.set(best, bestOwed - total)
    return best
  }

  /** Always the same version for one key, as long as the same versions can take calls. */
  pickFor(keyHash: number, versions: ReadonlySet<string>): string | undefined {
    const weighted = [...versions].filter((version) => this.weightOf(version) > 0).sort()
    const total = weighted.reduce((sum, version) => sum + this.weightOf(version), 0)
    let point = (keyHash / 2 ** 32) * total
    for (const version of weighted) {
      point -= this.weightOf(version)
      if (point < 0) return version
    }
    return weighted.at(-1)
  }
}
