// The runners of `callgate dev`: one process for each function file, restarted when the file or something
// that it imports changes, added and removed with the files. Owns the processes and the watcher.

import type { FSWatcher } from 'chokidar'
import { watch } from 'chokidar'
import { RunnerProcess } from '../../runner/fleet/runner-process.js'
import { looksLikeFunction } from './function-files.js'

/** A save is often several writes: they count as one when they are this close together. */
const SETTLE_MS = 50

export interface FunctionSetOptions {
  readonly environment: NodeJS.ProcessEnv
  readonly killAfterMs: number
  readonly onReady: (file: string, runner: { name: string; routes: readonly string[] }) => void
  readonly onFailed: (file: string, message: string, retryInMs: number | null) => void
  readonly onRestart: (file: string) => void
  /** The file is gone; `name` is the function's, where it was ever ready. */
  readonly onRemoved: (file: string, name: string | null) => void
}

interface Member {
  readonly file: string
  readonly runner: RunnerProcess
  /** The file and what it imports. */
  readonly sources: Set<string>
  name: string | null
  settling: NodeJS.Timeout | null
  /** Resolves when the runner is ready, or has failed, for the first time. */
  readonly settled: Promise<void>
}

export class FunctionSet {
  readonly #options: FunctionSetOptions
  readonly #members = new Map<string, Member>()
  readonly #watcher: FSWatcher

  /** @param folders watched for new function files */
  constructor(folders: readonly string[], options: FunctionSetOptions) {
    this.#options = options
    this.#watcher = watch([...folders], {
      ignoreInitial: true,
      depth: 0,
      ignored: (path) => path.includes('/node_modules/') || path.includes('/.git/'),
    })
    this.#watcher.on('add', (path) => void this.#onAdded(path))
    this.#watcher.on('change', (path) => this.#onChanged(path))
    this.#watcher.on('unlink', (path) => this.#onUnlinked(path))
  }

  /** Starts a runner for the file; resolves when it is ready or has failed. */
  add(file: string): Promise<void> {
    const known = this.#members.get(file)
    if (known !== undefined) return known.settled
    const member = this.#newMember(file)
    this.#members.set(file, member)
    this.#watcher.add(file)
    member.runner.start()
    return member.settled
  }

  async close(): Promise<void> {
    await this.#watcher.close()
    const members = [...this.#members.values()]
    for (const { settling } of members) if (settling !== null) clearTimeout(settling)
    await Promise.all(members.map(({ runner }) => runner.stop()))
  }

  #newMember(file: string): Member {
    const { environment, killAfterMs, onReady, onFailed } = this.#options
    const sources = new Set([file])
    let onSettled: () => void
    const settled = new Promise<void>((resolve) => {
      onSettled = resolve
    })
    const runner = new RunnerProcess({
      file,
      register: true,
      environment,
      killAfterMs,
      // A file with a fault in it is tried again when it has changed, not before.
      retryFailedLoad: false,
      events: {
        onReady: (ready) => {
          member.name = ready.name
          onReady(file, ready)
          onSettled()
        },
        onFailed: (message, retryInMs) => {
          onFailed(file, message, retryInMs)
          onSettled()
        },
        onImported: (path) => this.#onImported(member, path),
      },
    })
    const member: Member = { file, runner, sources, name: null, settling: null, settled }
    return member
  }

  #onImported(member: Member, path: string): void {
    if (path.includes('/node_modules/') || member.sources.has(path)) return
    member.sources.add(path)
    this.#watcher.add(path)
  }

  async #onAdded(path: string): Promise<void> {
    // An editor that replaces a file on saving removes it and adds it again.
    if (this.#members.has(path)) return this.#onChanged(path)
    if (await looksLikeFunction(path)) await this.add(path)
  }

  #onChanged(path: string): void {
    const affected = [...this.#members.values()].filter(({ sources }) => sources.has(path))
    for (const member of affected) this.#soon(member, () => this.#restart(member))
    if (affected.length === 0) void this.#onAdded(path)
  }

  #onUnlinked(path: string): void {
    const member = this.#members.get(path)
    if (member !== undefined) this.#soon(member, () => this.#remove(member))
  }

  #soon(member: Member, act: () => void): void {
    if (member.settling !== null) clearTimeout(member.settling)
    member.settling = setTimeout(act, SETTLE_MS)
  }

  #restart(member: Member): void {
    member.settling = null
    this.#options.onRestart(member.file)
    void member.runner.restart()
  }

  #remove(member: Member): void {
    member.settling = null
    this.#members.delete(member.file)
    void member.runner.stop().then(() => this.#options.onRemoved(member.file, member.name))
  }
}
