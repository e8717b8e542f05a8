// The functions that this gateway knows, as the registry tells it, and the routes that lead to them.
// A deploy swaps the whole table between two requests.

import type { Logger } from 'pino'
import type { Deployment } from '../shared/deployment.js'
import type { Manifest } from '../shared/manifest.js'
import type { Registry } from '../shared/registry.js'
import { parseRoute } from '../shared/route-pattern.js'
import { RememberedFunctions } from './remembered-functions.js'
import { type RouteEntry, type RouteMatch, RouteTable } from './routes.js'

/** Where a route leads: the manifest, read once for every request that comes. */
export interface RouteTarget {
  readonly functionName: string
  readonly isPublic: boolean
  /** All of them are needed. */
  readonly scopes: readonly string[]
  readonly timeoutMs: number | null
  readonly firstByteMs: number | null
  readonly idleMs: number | null
  readonly pingMs: number | null
  readonly maxBodyBytes: number | null
  readonly maxMessageBytes: number
  /** As the function says; null: the method and the client decide. */
  readonly isIdempotent: boolean | null
  readonly maxAttempts: number
  readonly affinity: Manifest['affinity']
}

/** Told of every change of the registry, after the routes have changed. */
export type DeploymentsListener = (
  now: ReadonlyMap<string, Deployment>,
  before: ReadonlyMap<string, Deployment>,
) => void

const RETRY_MS = 1_000
/** How soon it is noticed that somebody has deleted the registry. */
const GUARD_MS = 5_000

export class Functions {
  readonly #registry: Registry
  readonly #log: Logger
  readonly #onDeployed: DeploymentsListener
  #deployments: ReadonlyMap<string, Deployment> = new Map()
  /** Of a registry that is lost. */
  #remembered: RememberedFunctions
  #table: RouteTable<RouteTarget> = RouteTable.build<RouteTarget>([])
  /** Of a thousand manifests a deploy changes one. */
  readonly #entries = new WeakMap<Manifest, readonly RouteEntry<RouteTarget>[]>()
  #stop: () => void = () => {}
  #retry: NodeJS.Timeout | null = null
  /** So many were begun or ended: what an earlier one tells is out of date. */
  #watches = 0
  #guard: { close(): void } | null = null
  #isClosed = false

  private constructor(registry: Registry, log: Logger, onDeployed: DeploymentsListener) {
    this.#registry = registry
    this.#onDeployed = onDeployed
    this.#log = log
    this.#remembered = this.#remember(new Map())
  }

  /** Resolves when the registry has been read once. */
  static async watch(
    registry: Registry,
    log: Logger,
    onDeployed: DeploymentsListener = () => {},
  ): Promise<Functions> {
    const functions = new Functions(registry, log, onDeployed)
    await functions.#follow()
    functions.#guard = await registry.guard({
      onReplaced: () => functions.#onReplaced(),
      everyMs: GUARD_MS,
      log,
    })
    return functions
  }

  get deployments(): ReadonlyMap<string, Deployment> {
    return this.#deployments
  }

  match(method: string, host: string, path: string): RouteMatch<RouteTarget> {
    return this.#table.match(method, host, path)
  }

  close(): void {
    this.#isClosed = true
    this.#guard?.close()
    this.#unfollow()
  }

  async #follow(): Promise<void> {
    const watch = ++this.#watches
    const isOver = () => this.#isClosed || watch !== this.#watches
    const stop = await this.#registry.watch({
      onChange: (deployments) => {
        if (!isOver()) this.#onChange(deployments)
      },
      onUnreadable: (name, error) =>
        this.#log.error(
          { key: name },
          `an entry of the registry cannot be read and is left out: ${error.message}`,
        ),
      onLost: (error) => {
        if (!isOver()) this.#onLost(error)
      },
    })
    if (isOver()) stop()
    else this.#stop = stop
  }

  #unfollow(): void {
    this.#watches++
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    this.#stop()
  }

  /**
   * Another registry stands in the place of the one that was followed, or what it was earlier. A new one is empty
   * but for what runners have registered again: what else was known stays, rather than to turn every call into
   * a 404.
   */
  async #onReplaced(): Promise<void> {
    if (this.#isClosed) return
    this.#unfollow()
    this.#remembered = this.#remember(this.#deployments)
    this.#log.error(
      { functions: [...this.#deployments.keys()] },
      'the function registry was lost, and an empty or an earlier one is in its place: what it lacks of these functions keeps its routes here until it is registered again. Runners do that by themselves; deploy those again that run with --no-register.',
    )
    await this.#follow()
  }

  #remember(lost: ReadonlyMap<string, Deployment>): RememberedFunctions {
    return new RememberedFunctions(lost, {
      onKept: (name, weights) =>
        this.#log.warn(
          { function: name, weights },
          'the function registry has lost the weights of this function: they hold here until they are set again, with callgate traffic',
        ),
      onReplaced: (name, weights, before) =>
        this.#log.warn(
          { function: name, weights, before },
          'the weights of this function are others than before the function registry was lost',
        ),
    })
  }

  /** The routes stay as they are until the registry can be read again. */
  #onLost(error: unknown): void {
    this.#log.error({ err: error }, 'the function registry is not followed any more: trying again')
    this.#retry = setTimeout(() => {
      const watch = this.#watches + 1
      this.#follow().catch((error) => {
        if (!this.#isClosed && watch === this.#watches) this.#onLost(error)
      })
    }, RETRY_MS)
  }

  #onChange(registered: ReadonlyMap<string, Deployment>): void {
    const deployments = this.#remembered.complete(registered)
    const before = this.#deployments
    this.#deployments = deployments
    // By name, so that every gateway settles a conflict alike.
    const names = [...deployments.keys()].sort()
    this.#table = RouteTable.build(
      names.flatMap((name) => this.#entriesOf(deployments.get(name)!.manifest)),
    )
    for (const { route, kept, refused } of this.#table.conflicts) {
      this.#log.warn(
        { route, function: kept.functionName, ignored: refused.functionName },
        'two functions claim one route',
      )
    }
    this.#log.info({ functions: names.length }, 'routes changed')
    this.#onDeployed(deployments, before)
  }

  #entriesOf(manifest: Manifest): readonly RouteEntry<RouteTarget>[] {
    const known = this.#entries.get(manifest)
    if (known !== undefined) return known
    const entries = this.#readEntries(manifest)
    this.#entries.set(manifest, entries)
    return entries
  }

  #readEntries(manifest: Manifest): RouteEntry<RouteTarget>[] {
    const target: RouteTarget = {
      functionName: manifest.name,
      isPublic: manifest.auth === 'public',
      scopes: manifest.auth === 'public' ? [] : manifest.auth.scopes,
      timeoutMs: manifest.timeoutMs,
      firstByteMs: manifest.firstByteMs,
      idleMs: manifest.idleMs,
      pingMs: manifest.pingMs,
      maxBodyBytes: manifest.maxBodyBytes,
      maxMessageBytes: manifest.maxMessageBytes,
      isIdempotent: manifest.runsOnce ? false : manifest.idempotent || null,
      maxAttempts: manifest.maxAttempts,
      affinity: manifest.affinity,
    }
    return manifest.routes.flatMap((route) => {
      try {
        return [{ ...parseRoute(route), target }]
      } catch (error) {
        this.#log.error(
          { function: manifest.name, route },
          `route left out: ${(error as Error).message}`,
        )
        return []
      }
    })
  }
}
