// What the entries of the registry say together: functions by name. No NATS in here.

import { type Deployment, deploymentOf, readTraffic, type Traffic } from './deployment.js'
import { DEFAULT_VERSION, type Manifest, ManifestError, readManifest } from './manifest.js'

const TRAFFIC = '_traffic.'

export function keyOf(name: string, version: string): string {
  return version === DEFAULT_VERSION ? name : `${name}.${version}`
}

/** Of the key of a manifest. */
export function versionOf(key: string): string {
  return key.split('.')[1] ?? DEFAULT_VERSION
}

export function trafficKey(name: string): string {
  return `${TRAFFIC}${name}`
}

export class RegistryView {
  readonly #versions = new Map<string, Map<string, Manifest>>()
  readonly #traffic = new Map<string, Traffic>()

  /** Takes an entry in; returns why it cannot be read, and is left out, or null. */
  put(key: string, text: string): ManifestError | null {
    if (key.startsWith(TRAFFIC)) return this.#putTraffic(key.slice(TRAFFIC.length), text)
    const [name = '', version = DEFAULT_VERSION] = key.split('.')
    try {
      const manifest = readManifest(text)
      if (manifest.name !== name) {
        throw new ManifestError(`name: ${manifest.name} stands under the key ${key}`)
      }
      const versions = this.#versions.get(name) ?? new Map<string, Manifest>()
      this.#versions.set(name, versions.set(version, manifest))
      return null
    } catch (error) {
      this.delete(key)
      if (error instanceof ManifestError) return error
      throw error
    }
  }

  delete(key: string): void {
    if (key.startsWith(TRAFFIC)) {
      this.#traffic.delete(key.slice(TRAFFIC.length))
      return
    }
    const [name = '', version = DEFAULT_VERSION] = key.split('.')
    const versions = this.#versions.get(name)
    versions?.delete(version)
    if (versions?.size === 0) this.#versions.delete(name)
  }

  /** By function name, in its order. */
  deployments(): Map<string, Deployment> {
    const deployments = new Map<string, Deployment>()
    for (const name of [...this.#versions.keys()].sort()) {
      const deployment = this.deployment(name)
      if (deployment !== null) deployments.set(name, deployment)
    }
    return deployments
  }

  deployment(name: string): Deployment | null {
    return deploymentOf(new Map(this.#versions.get(name)), this.weights(name))
  }

  /** As they were set; null when they were not. */
  weights(name: string): Traffic | null {
    return this.#traffic.get(name) ?? null
  }

  #putTraffic(name: string, text: string): ManifestError | null {
    const setting = readTraffic(text)
    if (setting !== null) this.#traffic.set(name, setting.traffic)
    else this.#traffic.delete(name)
    return setting === null ? new ManifestError('weights: not a JSON object of numbers') : null
  }
}
