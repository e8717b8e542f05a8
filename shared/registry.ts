// The registry of functions: a JetStream KV bucket, function name -> manifest as JSON. To deploy is to
// put a key; gateways watch the bucket and swap their routes, so a route lives without a restart, and
// while its function has no runner.

import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv'
import { type Manifest, ManifestError, readManifest, sameManifest } from './manifest.js'
import type { NatsBus } from './nats.js'
import type { Subjects } from './subjects.js'

export interface RegistryWatcher {
  /** The whole registry after every change, once at first when it has been read. */
  onChange(manifests: ReadonlyMap<string, Manifest>): void
  /** An entry that cannot be read: it is left out until it is put again. */
  onUnreadable(name: string, error: ManifestError): void
  /** The registry is not followed any more. */
  onLost(error: unknown): void
}

export class RegistryUnavailable extends Error {
  override readonly name = 'RegistryUnavailable'
}

export class Registry {
  readonly #kv: KV

  private constructor(kv: KV) {
    this.#kv = kv
  }

  /** Opens the bucket, creating it the first time. */
  static async open(
    bus: NatsBus,
    subjects: Subjects,
    options: { replicas: number },
  ): Promise<Registry> {
    try {
      const kv = await new Kvm(bus.connection).create(subjects.registryBucket, {
        history: 8,
        replicas: options.replicas,
      })
      return new Registry(kv)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new RegistryUnavailable(
        `The function registry cannot be opened (${reason}). JetStream must be enabled on the NATS server: nats-server --jetstream.`,
        { cause: error },
      )
    }
  }

  async get(name: string): Promise<Manifest | null> {
    const entry = await this.#kv.get(name)
    return entry === null || entry.operation !== 'PUT' ? null : readManifest(entry.string())
  }

  async list(): Promise<Manifest[]> {
    const names: string[] = []
    for await (const name of await this.#kv.keys()) names.push(name)
    const manifests = await Promise.all(names.sort().map((name) => this.#readable(name)))
    return manifests.filter((manifest) => manifest !== null)
  }

  /** Returns false when the registry says the same already. */
  async put(manifest: Manifest): Promise<boolean> {
    const before = await this.#readable(manifest.name)
    if (before !== null && sameManifest(before, manifest)) return false
    await this.#kv.put(manifest.name, JSON.stringify(readManifest(manifest)))
    return true
  }

  /** Returns false when there was none. */
  async delete(name: string): Promise<boolean> {
    const entry = await this.#kv.get(name)
    if (entry === null || entry.operation !== 'PUT') return false
    await this.#kv.delete(name)
    return true
  }

  /** Follows the bucket until the returned function is called. Resolves when it has been read once. */
  async watch(watcher: RegistryWatcher): Promise<() => void> {
    const manifests = new Map<string, Manifest>()
    const entries = await this.#kv.watch()
    // An empty bucket sends nothing at all: ask, rather than wait for the first put.
    const isEmpty = (await this.#kv.status()).values === 0
    await new Promise<void>((resolve, reject) => {
      const onRead = () => {
        watcher.onChange(new Map(manifests))
        resolve()
      }
      if (isEmpty) onRead()
      this.#follow(entries, isEmpty, manifests, watcher, onRead).catch((error) => {
        watcher.onLost(error)
        reject(error)
      })
    })
    return () => entries.stop()
  }

  // `delta` counts the entries that are still to come of those that stood in the bucket at the start.
  async #follow(
    entries: AsyncIterable<KvWatchEntry>,
    isEmpty: boolean,
    manifests: Map<string, Manifest>,
    watcher: RegistryWatcher,
    onRead: () => void,
  ): Promise<void> {
    let isRead = isEmpty
    for await (const entry of entries) {
      if (entry.operation === 'PUT') this.#apply(manifests, entry.key, entry.string(), watcher)
      else manifests.delete(entry.key)
      if (isRead) watcher.onChange(new Map(manifests))
      else if ((entry.delta ?? 0) === 0) {
        isRead = true
        onRead()
      }
    }
  }

  async #readable(name: string): Promise<Manifest | null> {
    try {
      return await this.get(name)
    } catch (error) {
      if (error instanceof ManifestError) return null
      throw error
    }
  }

  #apply(
    manifests: Map<string, Manifest>,
    name: string,
    text: string,
    watcher: RegistryWatcher,
  ): void {
    try {
      const manifest = readManifest(text)
      if (manifest.name !== name) {
        throw new ManifestError(`name: ${manifest.name} stands under the key ${name}`)
      }
      manifests.set(name, manifest)
    } catch (error) {
      manifests.delete(name)
      if (error instanceof ManifestError) watcher.onUnreadable(name, error)
      else throw error
    }
  }
}
