// All that one load test starts, and its end: the processes, the nats-server that they share and a
// directory for their files. Scenarios get one from withTestbed, which closes it however they end;
// should we be killed, the children end too (see spawn-mortal.ts).

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findNatsServer } from '../cli/embedded-nats/find-nats-server.js'
import { installNatsServer } from '../cli/embedded-nats/install-nats-server.js'
import { startNatsServer } from '../cli/embedded-nats/nats-server.js'
import { Child } from './child.js'
import { machineLine } from './report/machine.js'

/** Compiled, this file lies in dist/loadtest. */
export const REPOSITORY = join(import.meta.dirname, '..', '..')

const RANDOM_PORT = -1

export interface Nats {
  readonly url: string
  readonly pid: number
  /** As if it had crashed. Resolves after its exit; `startNats` may then be called with its port. */
  kill(): Promise<void>
}

export class Testbed {
  readonly directory: string
  /** Aborts when the load test is to end early. */
  readonly signal: AbortSignal
  readonly #servers: Child[] = []
  #starts = 0
  #natsVersion: string | undefined
  #stopNats: (() => Promise<void>) | undefined

  constructor(directory: string, signal: AbortSignal) {
    this.directory = directory
    this.signal = signal
  }

  /** What the numbers are taken on, in one line. */
  get machine(): string {
    const nats = this.#natsVersion === undefined ? '' : `, nats-server ${this.#natsVersion}`
    return `${machineLine()}${nats}`
  }

  /** Starts a process that is expected to run until the end. */
  async startServer(name: string, command: readonly string[]): Promise<Child> {
    this.signal.throwIfAborted()
    const server = await Child.start(name, command, this.#outputPath())
    this.#servers.push(server)
    return server
  }

  /** Runs a process to its end and resolves with its output. */
  async run(name: string, command: readonly string[], timeoutMs: number): Promise<string> {
    this.signal.throwIfAborted()
    const child = await Child.start(name, command, this.#outputPath())
    try {
      return await child.output(timeoutMs, this.signal)
    } finally {
      await child.stop()
    }
  }

  /** With one store all the time, however often it is killed and started again. */
  async startNats(port = RANDOM_PORT): Promise<Nats> {
    const binaryPath = await natsServerBinary()
    const server = await startNatsServer({ stateDir: this.directory, port, binaryPath })
    this.#stopNats = server.stop
    const { stdout } = await promisify(execFile)(binaryPath, ['--version'])
    this.#natsVersion = stdout.replace('nats-server:', '').trim()
    return {
      url: server.url,
      pid: server.pid,
      kill: async () => {
        process.kill(server.pid, 'SIGKILL')
        await server.exited
      },
    }
  }

  /** Throws if a server has ended by itself. */
  async assertAlive(): Promise<void> {
    for (const server of this.#servers) await server.assertAlive()
  }

  /** What the servers have written last, for a fault that none of them has ended over. */
  async lastOutputs(): Promise<string> {
    const outputs = this.#servers.map(
      async (server) => `\n${server.name}:${await server.lastOutput()}`,
    )
    return (await Promise.all(outputs)).join('')
  }

  async forgetOutputs(): Promise<void> {
    for (const server of this.#servers) await server.forgetOutput()
  }

  /** The last to start is the first to go, so that nobody loses what it depends on. */
  async close(): Promise<void> {
    for (const server of this.#servers.reverse()) await server.stop()
    await this.#stopNats?.()
    await rm(this.directory, { recursive: true, force: true })
  }

  #outputPath(): string {
    this.#starts += 1
    return join(this.directory, `${this.#starts}.out`)
  }
}

export async function withTestbed<T>(
  signal: AbortSignal,
  use: (testbed: Testbed) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'callgate-loadtest-'))
  const testbed = new Testbed(directory, signal)
  try {
    return await use(testbed)
  } finally {
    await testbed.close()
  }
}

// Installed where `callgate dev` and the tests look too, not in the directory that goes away.
async function natsServerBinary(): Promise<string> {
  const stateDir = join(REPOSITORY, '.callgate')
  const found = await findNatsServer({ stateDir })
  return found ?? installNatsServer({ stateDir, onProgress: (line) => console.error(line) })
}
