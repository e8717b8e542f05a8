// What a gateway knows of a registry that is lost, as the one in its place fills up again: runners put their
// functions back one after the other, in any order, and nobody puts back the weights. Pure.
//
//   a function         stays until it is registered, and from then on only as long as it is
//   one of its versions  stays until that is registered, or weights are set
//   its weights        stay until others are set: the first of two versions to be back is not given every call

import {
  type Deployment,
  deploymentOf,
  sameTraffic,
  sharesOf,
  type Traffic,
} from '../shared/deployment.js'
import type { Manifest } from '../shared/manifest.js'

export interface RememberedEvents {
  /** The registry says nothing of these weights any more; they hold all the same. Told once. */
  onKept(name: string, weights: Traffic): void
  /** Others than these shares have been set. */
  onReplaced(name: string, weights: Traffic, before: Traffic): void
}

interface Remembered {
  readonly deployment: Deployment
  /** That were not registered again yet. */
  readonly missing: Map<string, Manifest>
  isRegistered: boolean
  isTold: boolean
}

export class RememberedFunctions {
  readonly #functions = new Map<string, Remembered>()
  readonly #events: RememberedEvents

  constructor(lost: ReadonlyMap<string, Deployment>, events: RememberedEvents) {
    this.#events = events
    for (const [name, deployment] of lost) {
      const missing = new Map(deployment.versions)
      this.#functions.set(name, { deployment, missing, isRegistered: false, isTold: false })
    }
  }

  /** What holds, by what the registry says now. */
  complete(registered: ReadonlyMap<string, Deployment>): Map<string, Deployment> {
    const all = new Map(registered)
    for (const [name, remembered] of this.#functions) {
      const found = registered.get(name)
      if (found !== undefined) all.set(name, this.#completed(name, remembered, found))
      else if (remembered.isRegistered) this.#functions.delete(name)
      else all.set(name, remembered.deployment)
    }
    return all
  }

  #completed(name: string, remembered: Remembered, found: Deployment): Deployment {
    const { deployment, missing } = remembered
    remembered.isRegistered = true
    if (found.isWeighted) {
      this.#functions.delete(name)
      const [before, now] = [sharesOf(deployment), sharesOf(found)]
      if (!sameTraffic(before, now)) this.#events.onReplaced(name, now, before)
      return found
    }
    for (const version of found.versions.keys()) missing.delete(version)
    const completed = deploymentOf(new Map([...missing, ...found.versions]), deployment.traffic)!
    if (!remembered.isTold && !sameTraffic(sharesOf(completed), sharesOf(found))) {
      remembered.isTold = true
      this.#events.onKept(name, sharesOf(completed))
    }
    return completed
  }
}
