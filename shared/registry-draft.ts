// What a writer is about to change in the registry, decided on what stands there. Pure: `registry-writer.ts`
// reads the entries and writes the changes.
//
// A gateway sees one entry change after the other, and its calls follow each at once. So the order counts,
// and no version has calls that nobody gave it, not for a moment: the shares are written down before
// another version comes or goes that would move them.

import {
  type Deployment,
  deploymentOf,
  sameTraffic,
  sharesOf,
  type Traffic,
  weightOf,
  writeTraffic,
} from './deployment.js'
import { FUNCTION_NAME, type Manifest, readManifest, sameManifest } from './manifest.js'
import { keyOf, RegistryView, trafficKey, versionOf } from './registry-view.js'

export interface Change {
  readonly key: string
  /** Null: the entry is taken out. */
  readonly text: string | null
}

export class RegistryDraft {
  readonly #view = new RegistryView()
  /** Of what cannot be read as well. */
  readonly #keys = new Set<string>()
  readonly #changes: Change[] = []

  /** @param entries every key of the registry, with its text */
  constructor(entries: ReadonlyMap<string, string>) {
    for (const [key, text] of entries) this.#take({ key, text })
  }

  /** In the order in which they must be written. */
  get changes(): readonly Change[] {
    return this.#changes
  }

  deployments(): Map<string, Deployment> {
    return this.#view.deployments()
  }

  deployment(name: string): Deployment | null {
    return this.#view.deployment(name)
  }

  /** Whether there is anything of this function, be it something that cannot be read. */
  has(name: string): boolean {
    return this.#keysOf(name).length > 0
  }

  /** Puts a version, whose share of the calls stays as it is. Throws a ManifestError. */
  put(given: Manifest, version: string): void {
    const manifest = readManifest(given)
    const { name } = manifest
    const before = this.deployment(name)
    const known = before?.versions.get(version)
    if (known !== undefined && sameManifest(known, manifest)) return
    if (before !== null) {
      const versions = new Map(before.versions).set(version, manifest)
      const after = deploymentOf(versions, this.#view.weights(name))!
      const shares = sharesOf(before)
      if (!sameTraffic(shares, sharesOf(after))) this.#putTraffic(name, shares)
    }
    this.#change({ key: keyOf(name, version), text: JSON.stringify(manifest) })
  }

  /**
   * Puts a version that another registry had, which is lost. What its share was, nobody knows: none is written
   * down, least of all that of the version whose runner comes first. Throws a ManifestError.
   */
  putBack(given: Manifest, version: string): void {
    const manifest = readManifest(given)
    const known = this.deployment(manifest.name)?.versions.get(version)
    if (known !== undefined && sameManifest(known, manifest)) return
    this.#change({ key: keyOf(manifest.name, version), text: JSON.stringify(manifest) })
  }

  /**
   * In one step: every gateway goes from the old shares to the new ones between two calls.
   * @param isRollback these are the ones of before, and on record as such
   */
  setTraffic(name: string, traffic: Traffic, isRollback = false): void {
    const weights = this.#view.weights(name)
    if (weights !== null && sameTraffic(weights, traffic)) return
    const deployment = this.deployment(name)
    if (weights === null && deployment !== null) {
      // What was never set has no history: a rollback finds its way back by this.
      const shares = sharesOf(deployment)
      if (!sameTraffic(shares, traffic)) this.#putTraffic(name, shares)
    }
    this.#putTraffic(name, traffic, isRollback)
  }

  /** Takes out a version, unless it has calls. */
  deleteVersion(name: string, version: string): 'deleted' | 'absent' | 'has calls' {
    const key = keyOf(name, version)
    if (!this.#keys.has(key)) return 'absent'
    const deployment = this.deployment(name)
    if (deployment !== null) {
      const shares = sharesOf(deployment)
      if (Object.hasOwn(shares, version)) return 'has calls'
      // Runners of it may still be there; without weights a last version would share its calls with them.
      if (this.#view.weights(name) === null) this.#putTraffic(name, shares)
    }
    this.#change({ key, text: null })
    return 'deleted'
  }

  /** Takes out a function with all of its versions. */
  delete(name: string): void {
    const deployment = this.deployment(name)
    const shares = deployment === null ? {} : sharesOf(deployment)
    const shareOf = (key: string) => weightOf(shares, versionOf(key))
    // What has the most calls goes last, and then the weights: else another would have them for a moment.
    const keys = this.#keysOf(name).sort((a, b) => shareOf(a) - shareOf(b))
    for (const key of keys) this.#change({ key, text: null })
    if (this.#keys.has(trafficKey(name))) this.#change({ key: trafficKey(name), text: null })
  }

  #keysOf(name: string): string[] {
    // Weights have a prefix of their own, which no function can be called.
    if (!FUNCTION_NAME.test(name)) return []
    return [...this.#keys].filter((key) => key === name || key.startsWith(`${name}.`))
  }

  #putTraffic(name: string, traffic: Traffic, isRollback = false): void {
    this.#change({ key: trafficKey(name), text: writeTraffic({ traffic, isRollback }) })
  }

  #change(change: Change): void {
    this.#changes.push(change)
    this.#take(change)
  }

  #take({ key, text }: Change): void {
    if (text === null) {
      this.#keys.delete(key)
      this.#view.delete(key)
    } else {
      this.#keys.add(key)
      this.#view.put(key, text)
    }
  }
}
