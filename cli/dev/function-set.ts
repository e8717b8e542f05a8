// The runners of `callgate dev`: one process for each function file, restarted when the file or something
// that it imports changes, added and removed with the files. Owns the processes and the watcher.

import { existsSync } from 'node:fs'
import { dirname, sep } from 'node:path'
import { RunnerProcess } from '../../runner/fleet/runner-process.js'
import type { RunnerSource } from '../../runner/fleet/runner-source.js'
import { isScript, looksLikeFunction } from './function-files.js'
import { SourceWatcher } from './source-watcher.js'

/** A save is often several writes: they count as one when they are this close together. */
const SETTLE_MS = 40

export interface FunctionSetOptions {
  readonly source: RunnerSource
  /** Takes a function out of the registry. */
  readonly undeploy: (name: string) => Promise<void>
  readonly onReady: (file: string, runner: { name: string; routes: readonly string[] }) => void
  /** `name` is that under which the function was loaded before; null where it never was. */
  readonly onFailed: (failure: FunctionFailure) => void
  readonly onRestart: (file: string) => void
  readonly onRemoved: (file: string) => void
  readonly onSameName: (file: string, otherFile: string, name: string) => void
}

export interface FunctionFailure {
  readonly file: string
  readonly message: string
  /** Null when it is not tried again by itself. */
  readonly retryInMs: number | null
  readonly name: string | null
}

interface Member {
  readonly file: string
  readonly runner: RunnerProcess
  /** The file and what it imports. */
  readonly sources: Set<string>
  /** The function's, once it has been registered. */
  name: string | null
  hasBeenReady: boolean
  /** Why it may not have its routes, and whose they are; null: nobody has said so. */
  refusal: { readonly message: string; readonly owners: readonly string[] } | null
  /** When the latest process of it was started: see `#changedAt`. */
  startedAt: number
  /** Resolves when the runner is ready, or has failed, for the first time. */
  readonly settled: Promise<void>
}

export class FunctionSet {
  readonly #options: FunctionSetOptions
  readonly #folders: ReadonlySet<string>
  /** Files that were named: they come back even when they are written anew. */
  readonly #named = new Set<string>()
  readonly #members = new Map<string, Member>()
  readonly #watcher = new SourceWatcher((path) => this.#onEvent(path))
  readonly #starting = new Set<Member>()
  /** Files that are looked at when no more happens to them. */
  readonly #settling = new Map<string, NodeJS.Timeout>()
  /** Starts and changes, counted: by these it is known which came first. */
  #count = 0
  /** When a function's routes have last changed, by its name. */
  readonly #changedAt = new Map<string, number>()
  #isClosed = false
  /** Processes of files that are gone. */
  readonly #leaving = new Set<Promise<void>>()

  /** @param folders watched for new function files */
  constructor(folders: readonly string[], options: FunctionSetOptions) {
    this.#options = options
    this.#folders = new Set(folders)
    for (const folder of folders) this.#watcher.watchFolder(folder)
  }

  /** Starts a runner for each file; resolves when all of them are ready or have failed. */
  async start(files: readonly string[]): Promise<void> {
    for (const file of files) if (!this.#folders.has(dirname(file))) this.#named.add(file)
    await Promise.all(files.map((file) => this.#add(file).settled))
  }

  /** Files that were never ready yet. */
  get waiting(): string[] {
    return [...this.#members.values()]
      .filter((member) => !member.hasBeenReady)
      .map(({ file }) => file)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#options.source.close()
    this.#watcher.close()
    for (const timer of this.#settling.values()) clearTimeout(timer)
    this.#settling.clear()
    await Promise.all([...this.#members.values()].map(({ runner }) => runner.stop()))
    await Promise.all(this.#leaving)
  }

  #add(file: string): Member {
    const known = this.#members.get(file)
    if (known !== undefined) return known
    const member = this.#newMember(file)
    this.#members.set(file, member)
    this.#watcher.watchFile(file)
    this.#begin(member)
    member.runner.start()
    return member
  }

  #newMember(file: string): Member {
    const { source, onFailed } = this.#options
    let onSettled: () => void
    const settled = new Promise<void>((resolve) => {
      onSettled = resolve
    })
    const runner = new RunnerProcess({
      file,
      register: true,
      source,
      // A file with a fault in it is tried again when it has changed, not before.
      retryFailedLoad: false,
      events: {
        onLoading: ({ name }) => void this.#onNamed(member, name),
        onReady: (ready) => {
          this.#onReady(member, ready)
          this.#onStarted(member)
          onSettled()
        },
        onFailed: (message, retryInMs) => {
          onFailed({ file, message, retryInMs, name: member.name })
          this.#onStarted(member)
          onSettled()
        },
        onRefused: (message, owners) => {
          // Of two files that were saved together, the one that is to have the route may have been first.
          const isOutdated = owners.some(
            (owner) => (this.#changedAt.get(owner) ?? 0) > member.startedAt,
          )
          if (isOutdated) return this.#startAgain(member)
          // Tried again because of another file, it need not be told the same once more.
          const isTold = member.refusal?.message === message
          member.refusal = { message, owners }
          if (!isTold) onFailed({ file, message, retryInMs: null, name: member.name })
          this.#onStarted(member)
          onSettled()
        },
        onImported: (path) => {
          member.sources.add(path)
          this.#watcher.watchFile(path)
        },
      },
    })
    const member: Member = {
      file,
      runner,
      sources: new Set([file]),
      name: null,
      hasBeenReady: false,
      refusal: null,
      startedAt: 0,
      settled,
    }
    return member
  }

  // The process of before was told to leave at the save: under its name there is nobody any more.
  async #onNamed(member: Member, name: string): Promise<void> {
    const before = member.name
    member.name = name
    member.refusal = null
    if (before !== null && before !== name) await this.#undeploy(before)
    this.#tryRefused(name)
    if (before !== null && before !== name) this.#tryRefused(before)
  }

  /** This function has other routes now, or is gone: whoever wanted those of before may have them. */
  #tryRefused(owner: string): void {
    this.#changedAt.set(owner, ++this.#count)
    for (const member of this.#members.values()) {
      if (this.#starting.has(member)) continue
      if (member.refusal?.owners.includes(owner)) this.#startAgain(member)
    }
  }

  #startAgain(member: Member): void {
    if (this.#isClosed) return
    this.#begin(member)
    member.runner.start()
  }

  #begin(member: Member): void {
    this.#starting.add(member)
    member.startedAt = ++this.#count
  }

  #onReady(member: Member, ready: { name: string; routes: readonly string[] }): void {
    member.hasBeenReady = true
    for (const other of this.#members.values()) {
      if (other !== member && other.name === ready.name) {
        this.#options.onSameName(member.file, other.file, ready.name)
      }
    }
    this.#options.onReady(member.file, ready)
  }

  // The next save finds a process that is half started; not while one is busy with this save.
  #onStarted(member: Member): void {
    this.#starting.delete(member)
    if (this.#starting.size === 0 && !this.#isClosed) this.#options.source.prepare(member.file)
  }

  #onEvent(path: string): void {
    for (const { file, sources } of this.#members.values()) {
      if ([...sources].some((source) => source === path || source.startsWith(path + sep))) {
        this.#lookSoon(file)
      }
    }
    if (this.#mayBeNew(path)) this.#lookSoon(path)
  }

  #mayBeNew(path: string): boolean {
    if (this.#members.has(path)) return false
    return this.#named.has(path) || (this.#folders.has(dirname(path)) && isScript(path))
  }

  #lookSoon(file: string): void {
    clearTimeout(this.#settling.get(file))
    const timer = setTimeout(() => {
      this.#settling.delete(file)
      this.#look(file)
    }, SETTLE_MS)
    this.#settling.set(file, timer)
  }

  /** What became of a file to which something has happened. */
  #look(file: string): void {
    const member = this.#members.get(file)
    const isThere = existsSync(file)
    if (member !== undefined && isThere) {
      this.#options.onRestart(file)
      member.refusal = null
      this.#begin(member)
      member.runner.restart()
    } else if (member !== undefined) {
      this.#remove(member)
    } else if (isThere && (this.#named.has(file) || looksLikeFunction(file))) {
      this.#add(file)
    }
  }

  #remove(member: Member): void {
    this.#members.delete(member.file)
    this.#starting.delete(member)
    const leaving = this.#leave(member).finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }

  // The routes first: a call that finds a route but no runner any more would wait for one.
  async #leave(member: Member): Promise<void> {
    if (member.name !== null) {
      await this.#undeploy(member.name)
      this.#tryRefused(member.name)
    }
    this.#options.onRemoved(member.file)
    await member.runner.stop()
  }

  async #undeploy(name: string): Promise<void> {
    if ([...this.#members.values()].some((member) => member.name === name)) return
    await this.#options.undeploy(name)
  }
}
