// Starts a runner as a process that cannot outlive us, even when we are killed with SIGKILL, and even
// when its function never yields to the event loop, where it would hear that we are gone. As with the
// embedded nats-server, a shell forks a watchdog, which waits on a pipe that only we hold, and becomes
// the runner by exec: pid, exit status and the IPC channel are the shell's own.

import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'

/**
 * Bodies lie outside of the collector's heap, and it marks that, small as it is, for every thirty megabytes
 * of them. Helper threads make it dearer, not quicker: 4.8 against 2.0 s of CPU for an upload of 1 GiB.
 */
const ENGINE_FLAGS = ['--no-concurrent-marking']

const RUNNER_FOLDER = new URL('../', import.meta.url)

// fd 3 is Node's IPC channel, fd 4 the pipe. A line: the runner has ended. End of file: we are dead. The
// runner leads the process group (`process-group.ts`); the watchdog is in it, and must outlast a signal to
// all of it, but for its own last one.
const SCRIPT = `
graceSeconds=$1; shift
{
  trap '' TERM INT HUP
  read -r ended && exit
  kill -TERM $$; kill -CONT $$
  while [ $graceSeconds -gt 0 ] && kill -0 $$; do sleep 1; graceSeconds=$((graceSeconds - 1)); done
  kill -TERM -$$; sleep 1; kill -KILL -$$
} <&4 3<&- >/dev/null 2>&1 &
exec "$@" 4<&-
`

export interface SpawnOptions {
  /** Of the folder `runner`. */
  readonly program: 'main.js' | 'standby.js'
  readonly arguments: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  /** How long it may take to drain when we have died, in milliseconds. */
  readonly killAfterMs: number
}

export function spawnRunner(options: SpawnOptions): ChildProcess {
  const graceSeconds = String(Math.ceil(options.killAfterMs / 1_000))
  const program = fileURLToPath(new URL(options.program, RUNNER_FOLDER))
  const flags = [...ENGINE_FLAGS, ...process.execArgv]
  const node = [process.execPath, ...flags, program, ...options.arguments]
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'callgate-watchdog', graceSeconds, ...node], {
    env: options.environment,
    // Signals are ours to pass on: a Ctrl-C in the terminal must not reach the child before we know. It
    // makes the child the leader of a process group, too.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'],
  })
  const pipe = child.stdio[4] as Socket
  // Both ends may go in any order; a write that comes too late has nobody to tell.
  pipe.on('error', () => {})
  child.once('exit', () => pipe.end('ended\n'))
  return child
}
