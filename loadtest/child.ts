// One process of a load test: a subject's server or a generator. Its output goes to a file, because
// a server that logs must pay for it, and a pipe would make us pay too. What it has to tell us is a
// line of JSON with a `msg`, which is how Callgate logs and how the peers do it after its example.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, truncate } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { spawnMortal } from '../cli/embedded-nats/spawn-mortal.js'

// Our own peers, which start in a fraction of a second; a busy machine multiplies that.
const READY_TIMEOUT_MS = 30_000
const POLL_MS = 20
// Longer than it takes to close idle connections and to write a CPU profile.
const STOP_GRACE_MS = 10_000
const QUOTED_LINES = 5
/** In Callgate's log. */
const ERROR_LEVEL = 50

export class Child {
  readonly name: string
  readonly pid: number
  readonly #process: ChildProcess
  readonly #outputPath: string
  readonly #exited: Promise<unknown>
  #end: string | undefined

  private constructor(name: string, process: ChildProcess, pid: number, outputPath: string) {
    this.name = name
    this.pid = pid
    this.#process = process
    this.#outputPath = outputPath
    this.#exited = once(process, 'exit').then(([code, signal]) => {
      this.#end = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
    })
  }

  static async start(name: string, command: readonly string[], outputPath: string): Promise<Child> {
    // Appending, so that what is written after a truncation begins the file anew.
    const output = await open(outputPath, 'a')
    try {
      const { child, pid, begin } = spawnMortal(command, output.fd)
      begin()
      return new Child(name, child, pid, outputPath)
    } finally {
      await output.close()
    }
  }

  /** Resolves with the first line that has this `msg`. Throws if the process ends or stays mute. */
  async line(msg: string, signal: AbortSignal): Promise<Record<string, unknown>> {
    const deadline = Date.now() + READY_TIMEOUT_MS
    for (;;) {
      const line = linesOf(await readFile(this.#outputPath, 'utf8')).find((it) => it.msg === msg)
      if (line) return line
      await this.assertAlive()
      if (Date.now() > deadline) {
        throw await this.#fault(`did not log "${msg}" in ${READY_TIMEOUT_MS / 1000} s`)
      }
      await delay(POLL_MS, undefined, { signal })
    }
  }

  /** Resolves with all that it has written, once it has ended by itself. */
  async output(timeoutMs: number, signal: AbortSignal): Promise<string> {
    const timer = new AbortController()
    const late = delay(timeoutMs, 'late', { signal: AbortSignal.any([signal, timer.signal]) })
    try {
      const first = await Promise.race([this.#exited, late])
      if (first === 'late') throw await this.#fault(`had no end after ${timeoutMs / 1000} s`)
    } finally {
      timer.abort()
      await Promise.allSettled([late])
    }
    if (this.#process.exitCode !== 0) throw await this.#fault(this.#end!)
    return readFile(this.#outputPath, 'utf8')
  }

  async assertAlive(): Promise<void> {
    if (this.#end !== undefined) throw await this.#fault(this.#end)
  }

  /** Lines that it has logged as errors. */
  async errorLines(): Promise<Record<string, unknown>[]> {
    const lines = linesOf(await readFile(this.#outputPath, 'utf8'))
    return lines.filter(({ level }) => typeof level === 'number' && level >= ERROR_LEVEL)
  }

  /** Drops what was written: a log with a line for each call fills a disk in the end. */
  async forgetOutput(): Promise<void> {
    await truncate(this.#outputPath)
  }

  /** Resolves after its exit, to which it is forced after the grace. May be called again. */
  async stop(graceMs = STOP_GRACE_MS): Promise<void> {
    if (this.#end !== undefined) return
    this.#process.kill('SIGTERM')
    // One that was stopped with SIGSTOP would not see the SIGTERM otherwise.
    this.#process.kill('SIGCONT')
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), graceMs)
    try {
      await this.#exited
    } finally {
      clearTimeout(timer)
    }
  }

  /** As if it had crashed. Resolves after its exit. */
  async kill(): Promise<void> {
    if (this.#end === undefined) this.#process.kill('SIGKILL')
    await this.#exited
  }

  /** The end of what it has written, each line with a line feed before it. */
  async lastOutput(): Promise<string> {
    const lines = (await readFile(this.#outputPath, 'utf8')).trim().split('\n')
    const quoted = lines.slice(-QUOTED_LINES).map((line) => `\n  ${line}`)
    return lines[0] === '' ? '\n  none' : quoted.join('')
  }

  async #fault(what: string): Promise<Error> {
    return new Error(`${this.name} ${what}; its last output:${await this.lastOutput()}`)
  }
}

function linesOf(output: string): Record<string, unknown>[] {
  const complete = output.slice(0, output.lastIndexOf('\n') + 1)
  return complete.split('\n').flatMap((line) => {
    try {
      return line.startsWith('{') ? [JSON.parse(line)] : []
    } catch {
      return []
    }
  })
}
