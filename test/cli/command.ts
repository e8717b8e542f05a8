// The `callgate` command as its user has it: a process, its output, its exit. Ended with the test.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { setInterval } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
/** In the environment of a command and of all that it starts, so that nothing can hide. */
const MARK = 'CALLGATE_TEST_MARK'

export interface CommandOptions {
  readonly cwd: string
  readonly env?: Record<string, string>
}

export class Command {
  readonly child: ChildProcess
  readonly mark: string
  /** Exit status, or the signal's name. */
  readonly ended: Promise<number | string>
  stdout = ''
  stderr = ''
  #onOutput: (() => void)[] = []

  constructor(args: readonly string[], { cwd, env = {} }: CommandOptions) {
    this.mark = `${process.pid}-${Math.random()}`
    // What the tester's shell has set must not decide, nor what tap loads into every Node process.
    const clean = Object.entries(process.env).filter(
      ([name]) => !/^CALLGATE_|TAP|^NODE_OPTIONS$/.test(name),
    )
    const kept = process.env.CALLGATE_NATS_SERVER
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd,
      env: {
        ...Object.fromEntries(clean),
        ...(kept === undefined ? {} : { CALLGATE_NATS_SERVER: kept }),
        NO_COLOR: '1',
        [MARK]: this.mark,
        ...env,
      },
    })
    this.child.stdout!.setEncoding('utf8').on('data', (text) => this.#take('stdout', text))
    this.child.stderr!.setEncoding('utf8').on('data', (text) => this.#take('stderr', text))
    this.ended = once(this.child, 'close').then(([code, signal]) => signal ?? code)
    void this.ended.then(() => this.#wake())
  }

  get output(): string {
    return this.stdout + this.stderr
  }

  /** Resolves with the first match in what is printed after `from`. Rejects when the command ends first. */
  async printed(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.stdout.slice(from)) ?? pattern.exec(this.stderr)
      if (found !== null) return found
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`It ended without printing ${pattern}:\n${this.output}`)
      }
      await new Promise<void>((resolve) => this.#onOutput.push(resolve))
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Command lines of every process that is left of it, itself included, by pid. Only on Linux. */
  processes(): Map<number, string> {
    const found = new Map<number, string>()
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const isOurs = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`${MARK}=${this.mark}`)
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        if (isOurs && line !== '') found.set(Number(pid), line)
      } catch {
        // Of somebody else, or gone meanwhile.
      }
    }
    return found
  }

  /** The pids of its processes whose command line has this in it. */
  pids(part: string): number[] {
    return [...this.processes()].filter(([, line]) => line.includes(part)).map(([pid]) => pid)
  }

  /** Nobody can wait for the exit of a process that is not a child: looks until none is left. */
  async processesGone(): Promise<void> {
    for await (const _ of setInterval(50)) if (this.processes().size === 0) return
  }

  #take(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#onOutput.splice(0)) wake()
  }
}

/** Starts a command that goes on until it is told; it is ended with the test. */
export function startCommand(t: Test, args: readonly string[], options: CommandOptions): Command {
  const command = new Command(args, options)
  t.teardown(async () => {
    command.kill('SIGTERM')
    await command.ended
    if (!t.passing()) t.comment(command.output)
  })
  return command
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  options: CommandOptions & { readonly stdin?: string },
): Promise<{ status: number | string; stdout: string; stderr: string }> {
  const command = new Command(args, options)
  command.child.stdin!.end(options.stdin)
  const status = await command.ended
  return { status, stdout: command.stdout, stderr: command.stderr }
}
