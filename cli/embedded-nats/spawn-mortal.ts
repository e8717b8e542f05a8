// Starts a child that cannot outlive us, even when we are killed with SIGKILL. A shell first forks
// a watchdog, which waits on a pipe that only we hold, and then becomes the child by exec: so the
// child's pid and exit status are the shell's, and no moment is left unwatched. However we end, the
// kernel closes the pipe, and the watchdog ends the child. Plain sh does this on Linux and macOS in
// 1 MB; prctl's parent-death signal is Linux only and follows the thread, a Node supervisor costs
// 40 MB and is itself one more process to be killed. Both run in a session of their own, so that
// Ctrl-C in a terminal reaches us alone and we choose the order in which things stop.

import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

export interface MortalChild {
  readonly child: ChildProcess
  readonly pid: number
  /** The child's program runs only after this, so that the caller can take locks by its pid. */
  begin(): void
}

// fd 3 is the pipe. First line: begin. Second line: the child has ended, nothing left to do.
// End of file instead: we are dead. TERM, and after 5 s KILL, unless it has gone meanwhile.
const SCRIPT = `
read -r begin <&3 || exit 1
{
  read -r ended && exit
  kill -CONT $$; kill -TERM $$
  for second in 1 2 3 4 5; do sleep 1; kill -0 $$ || exit; done
  kill -KILL $$
} <&3 >/dev/null 2>&1 &
exec "$@" 3<&-
`

export function spawnMortal(
  command: readonly string[],
  outputFd: number,
  env: NodeJS.ProcessEnv = process.env,
): MortalChild {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'callgate-watchdog', ...command], {
    detached: true,
    env,
    stdio: ['ignore', outputFd, outputFd, 'pipe'],
  })
  child.on('error', () => {})
  if (child.pid === undefined) throw new Error('/bin/sh could not be started.')
  const pipe = child.stdio[3] as Socket
  // Both ends may go in any order; a write that comes too late has nobody to tell.
  pipe.on('error', () => {})
  child.once('exit', () => pipe.end('ended\n'))
  return { child, pid: child.pid, begin: () => pipe.write('begin\n') }
}
