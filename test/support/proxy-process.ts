// A proxy that a test starts in front of a gateway, as a process of its own on a port of loopback.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, type NetConnectOpts } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'

/** Nothing tells us that it listens. */
const LOOK_MS = 20

export function isInstalled(command: string): boolean {
  return spawnSync(command, ['-v'], { stdio: 'ignore' }).status === 0
}

/** Resolves when it listens there; throws what it said when it does not start. Ends with its test. */
export async function startProxy(
  t: Test,
  command: string,
  args: readonly string[],
  at: NetConnectOpts,
): Promise<void> {
  const proxy = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(proxy, 'close')
  let said = ''
  proxy.stderr.on('data', (text) => {
    said += text
  })
  t.teardown(async () => {
    proxy.kill('SIGTERM')
    await ended
  })
  while (!(await listens(at))) {
    if (hasExited(proxy)) throw new Error(`${command} did not start: ${said}`)
    await delay(LOOK_MS)
  }
}

function hasExited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

async function listens(at: NetConnectOpts): Promise<boolean> {
  const socket = connect(at)
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return isOpen
}
