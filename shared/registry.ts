// The registry of functions: a JetStream KV bucket. To deploy is to put a key; gateways watch the bucket and
// swap their routes, so a route lives without a restart, and while its function has no runner.
//
//   <function>               manifest, as JSON
//   <function>.<version>     manifest of a version that has a name
//   _traffic.<function>      weights of the versions, as JSON: {"main":90,"v2":10}

import { JetStreamApiCodes, JetStreamApiError, jetstream } from '@nats-io/jetstream'
import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv'
import { type Deployment, readTraffic, sameTraffic, type TrafficSetting } from './deployment.js'
import {
  DEFAULT_VERSION,
  type Manifest,
  ManifestError,
  readManifest,
  sameManifest,
} from './manifest.js'
import type { NatsBus } from './nats.js'
import type { RegistryDraft } from './registry-draft.js'
import { inRegistry, RegistryUnavailable } from './registry-fault.js'
import { RegistryGuard, type RegistryGuardOptions, type RegistryState } from './registry-guard.js'
import { RegistrySilence, SILENCE_MS } from './registry-silence.js'
import { keyOf, RegistryView, trafficKey } from './registry-view.js'
import { RegistryWriter, readEntries } from './registry-writer.js'
import type { Subjects } from './subjects.js'

export interface RegistryWatcher {
  /** The whole registry after every change, once at first when it has been read. */
  onChange(deployments: ReadonlyMap<string, Deployment>): void
  /** An entry that cannot be read: it is left out until it is put again. */
  onUnreadable(key: string, error: ManifestError): void
  /** The registry, which was read once, is not followed any more. */
  onLost(error: unknown): void
}

/** Of the bucket. */
interface BucketOptions {
  readonly replicas: number
}

/** Every method throws a RegistryUnavailable for what NATS has against it. */
export class Registry {
  readonly #bus: NatsBus
  readonly #kv: KV
  readonly #writer: RegistryWriter
  readonly #bucket: string
  readonly #options: BucketOptions
  /** Of the latest write that a watch has told of; what is written here, the guard finds as it looks. */
  #seen = 0

  private constructor(bus: NatsBus, kv: KV, bucket: string, options: BucketOptions) {
    this.#bus = bus
    this.#kv = kv
    this.#writer = new RegistryWriter(kv, jetstream(bus.connection), bucket)
    this.#bucket = bucket
    this.#options = options
  }

  /** Opens the bucket, creating it the first time. */
  static async open(bus: NatsBus, subjects: Subjects, options: BucketOptions): Promise<Registry> {
    const bucket = subjects.registryBucket
    const kv = await inRegistry('opened', () => openBucket(bus, bucket, options))
    return new Registry(bus, kv, bucket, options)
  }

  async get(name: string, version = DEFAULT_VERSION): Promise<Manifest | null> {
    const text = await this.#text(keyOf(name, version))
    return text === null ? null : readManifest(text)
  }

  /** Every function, by name; versions that cannot be read are left out. */
  async list(): Promise<Map<string, Deployment>> {
    const view = new RegistryView()
    const { entries } = await inRegistry('read', () => readEntries(this.#kv))
    for (const [key, text] of entries) view.put(key, text)
    return view.deployments()
  }

  /**
   * Puts a version; whatever others put at the same time, it has no calls by that where there are versions
   * already. Returns false when the registry says the same already.
   * @param check throws where it must not be put beside what is there; not asked where it is there already
   */
  put(
    manifest: Manifest,
    version = DEFAULT_VERSION,
    check: (registered: ReadonlyMap<string, Deployment>) => void = () => {},
  ): Promise<boolean> {
    return this.#put(manifest, version, (draft) => {
      check(draft.deployments())
      draft.put(manifest, version)
    })
  }

  /**
   * Puts a version that another registry had, which is lost, and no weights: they are for somebody to set
   * again. Returns false when the registry says the same already.
   */
  putBack(manifest: Manifest, version: string): Promise<boolean> {
    return this.#put(manifest, version, (draft) => draft.putBack(manifest, version))
  }

  /** Changes that belong together and depend on what the registry says: see `RegistryWriter.write`. */
  edit<T>(change: (draft: RegistryDraft) => T | Promise<T>): Promise<T> {
    return inRegistry('changed', () => this.#writer.write(change))
  }

  /** Takes out a function with all of its versions; false when there was none. */
  delete(name: string): Promise<boolean> {
    return this.edit((draft) => {
      const wasThere = draft.has(name)
      draft.delete(name)
      return wasThere
    })
  }

  /** Takes out everything, also what cannot be read. */
  clear(): Promise<void> {
    return inRegistry('changed', async () => {
      for (const key of await this.#keys()) await this.#kv.delete(key)
    })
  }

  /** The weights as they were set one after the other since the function was deployed, the latest last. */
  trafficHistory(name: string): Promise<TrafficSetting[]> {
    return inRegistry('read', () => this.#trafficHistory(name))
  }

  async #trafficHistory(name: string): Promise<TrafficSetting[]> {
    const settings: TrafficSetting[] = []
    for await (const entry of await this.#kv.history({ key: trafficKey(name) })) {
      if (entry.operation !== 'PUT') {
        settings.length = 0
        continue
      }
      const setting = readTraffic(entry.string())
      const latest = settings.at(-1)
      if (setting === null || (latest && sameTraffic(latest.traffic, setting.traffic))) continue
      settings.push(setting)
    }
    return settings
  }

  /**
   * Follows the bucket until the returned function is called. Resolves when it has been read once, and
   * rejects where it cannot be; after that `onLost` tells.
   */
  watch(watcher: RegistryWatcher): Promise<() => void> {
    return inRegistry('followed', () => this.#watch(watcher))
  }

  async #watch(watcher: RegistryWatcher): Promise<() => void> {
    const entries = await this.#kv.watch()
    const follower = new Follower(entries, watcher, (revision) => {
      this.#seen = Math.max(this.#seen, revision)
    })
    try {
      // An empty bucket sends nothing at all: ask, rather than wait for the first put.
      const isEmpty = (await this.#kv.status()).values === 0
      await follower.start(isEmpty)
    } catch (error) {
      follower.stop()
      throw error
    }
    return () => follower.stop()
  }

  /**
   * Watches over the bucket itself: calls `onReplaced`, again where it rejects, when there is another one under
   * its name, when it has gone back to what it was earlier, or when there was none any more and an empty one
   * has been made. Ends with the connection.
   */
  guard(options: Omit<RegistryGuardOptions, 'bus' | 'look' | 'seen'>): Promise<RegistryGuard> {
    const { onReplaced } = options
    return RegistryGuard.start({
      ...options,
      bus: this.#bus,
      look: () => this.#look(),
      seen: () => this.#seen,
      onReplaced: async (isNew) => {
        await openBucket(this.#bus, this.#bucket, this.#options)
        this.#seen = 0
        await onReplaced(isNew)
      },
    })
  }

  /** Null where there is no bucket. */
  async #look(): Promise<RegistryState | null> {
    try {
      const { created, state } = (await inRegistry('read', () => this.#kv.status())).streamInfo
      return { madeAt: created, sequence: state.last_seq }
    } catch (error) {
      const { cause } = error as Error
      const isMissing =
        cause instanceof JetStreamApiError && cause.code === JetStreamApiCodes.StreamNotFound
      if (isMissing) return null
      throw error
    }
  }

  async #put(
    manifest: Manifest,
    version: string,
    change: (draft: RegistryDraft) => void,
  ): Promise<boolean> {
    // Most runners that start find it so, and need not read the rest.
    const before = await this.#readable(manifest.name, version)
    if (before !== null && sameManifest(before, manifest)) return false
    return this.edit((draft) => {
      change(draft)
      return draft.changes.length > 0
    })
  }

  async #keys(): Promise<string[]> {
    const keys: string[] = []
    for await (const key of await this.#kv.keys()) keys.push(key)
    return keys
  }

  async #text(key: string): Promise<string | null> {
    const entry = await inRegistry('read', () => this.#kv.get(key))
    return entry === null || entry.operation !== 'PUT' ? null : entry.string()
  }

  async #readable(name: string, version: string): Promise<Manifest | null> {
    try {
      return await this.get(name, version)
    } catch (error) {
      if (error instanceof ManifestError) return null
      throw error
    }
  }
}

/** Creates it where it is not there. */
function openBucket(bus: NatsBus, bucket: string, { replicas }: BucketOptions): Promise<KV> {
  return new Kvm(bus.connection).create(bucket, { history: 8, replicas })
}

/** Reads what a watch of the bucket sends. */
export class Follower {
  readonly #entries: Awaited<ReturnType<KV['watch']>>
  readonly #watcher: RegistryWatcher
  readonly #view = new RegistryView()
  /** While it has not read what stood there. */
  #silence: RegistrySilence | null = null
  #isRead = false
  #isStopped = false
  #isChanged = false
  readonly #onRevision: (revision: number) => void

  constructor(
    entries: Awaited<ReturnType<KV['watch']>>,
    watcher: RegistryWatcher,
    onRevision: (revision: number) => void,
  ) {
    this.#entries = entries
    this.#watcher = watcher
    this.#onRevision = onRevision
  }

  /** Resolves when what stood in the bucket has been read, rejects when nothing more of it comes. */
  start(isEmpty: boolean, silenceMs = SILENCE_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#silence = new RegistrySilence(silenceMs, () => {
        reject(RegistrySilence.fault())
        this.stop()
      })
      const onEnd = (error: unknown) => {
        this.#silence?.end()
        if (!this.#isRead) reject(error)
        else if (!this.#isStopped) this.#watcher.onLost(error)
      }
      const onRead = () => {
        this.#isRead = true
        this.#silence?.end()
        this.#tell()
        resolve()
      }
      if (isEmpty) onRead()
      this.#readAll(onRead).then(
        () => onEnd(new RegistryUnavailable('The function registry sends nothing any more.')),
        onEnd,
      )
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#silence?.end()
    this.#entries.stop()
  }

  // `delta` counts the entries that are still to come of those that stood in the bucket at the start.
  async #readAll(onRead: () => void): Promise<void> {
    for await (const entry of this.#entries) {
      this.#take(entry)
      if (this.#isRead) this.#onChanged()
      else if ((entry.delta ?? 0) === 0) onRead()
      else this.#silence?.heard()
    }
  }

  #take(entry: KvWatchEntry): void {
    // What one that has ended still has in hand may be of a registry that was replaced.
    if (!this.#isStopped) this.#onRevision(entry.revision)
    if (entry.operation !== 'PUT') return this.#view.delete(entry.key)
    const fault = this.#view.put(entry.key, entry.string())
    if (fault !== null) this.#watcher.onUnreadable(entry.key, fault)
  }

  /** Once in a turn of the event loop, whatever number of functions is deployed together. */
  #onChanged(): void {
    if (this.#isChanged) return
    this.#isChanged = true
    setImmediate(() => {
      this.#isChanged = false
      if (!this.#isStopped) this.#tell()
    })
  }

  #tell(): void {
    this.#watcher.onChange(this.#view.deployments())
  }
}
