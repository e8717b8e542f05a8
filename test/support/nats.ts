// A real nats-server for one test: a random port, JetStream in a temporary store, gone with the
// test. Every test that needs NATS starts its own, which takes some 50 ms, so that none can disturb
// another. CALLGATE_NATS_SERVER=/path/to/nats-server runs the same tests against another release.
// Where the machine has no nats-server, the first test file to ask installs one into the
// repository's .callgate/, and the others wait for it.

import { existsSync, watch } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { findNatsServer } from '../../cli/embedded-nats/find-nats-server.js'
import { installNatsServer } from '../../cli/embedded-nats/install-nats-server.js'
import {
  type NatsServer,
  type NatsServerOptions,
  startNatsServer,
} from '../../cli/embedded-nats/nats-server.js'

// For a holder that was killed: nothing tells us of its end.
const RECHECK_MS = 500

export interface TestNats extends NatsServer {
  readonly stateDir: string
}

/**
 * Give `stateDir` and `port` to start a server again on the store and address of an earlier one.
 * A given directory is the caller's to remove.
 */
export async function startTestNats(
  t: Test,
  options: Partial<NatsServerOptions> = {},
): Promise<TestNats> {
  const binaryPath = options.binaryPath ?? (await testNatsBinary())
  const stateDir = options.stateDir ?? (await mkdtemp(join(tmpdir(), 'callgate-nats-')))
  const removeStateDir = async () => {
    if (options.stateDir === undefined) await rm(stateDir, { recursive: true, force: true })
  }
  try {
    const server = await startNatsServer({ port: -1, ...options, stateDir, binaryPath })
    t.teardown(async () => {
      await server.stop()
      await removeStateDir()
    })
    return { ...server, stateDir }
  } catch (error) {
    await removeStateDir()
    throw error
  }
}

let binary: Promise<string> | undefined

/** The nats-server that the tests use, installed first where the machine has none; looked for once. */
export function testNatsBinary(): Promise<string> {
  binary ??= findOrInstall()
  return binary
}

async function findOrInstall(): Promise<string> {
  const stateDir = join(repositoryRoot(), '.callgate')
  await mkdir(stateDir, { recursive: true })
  const lockPath = join(stateDir, 'test-nats-install.lock')
  for (;;) {
    const found = await findNatsServer({ stateDir })
    if (found !== undefined) return found
    if (await tookLock(lockPath)) {
      try {
        return await installNatsServer({ stateDir })
      } finally {
        await rm(lockPath, { force: true })
      }
    }
    await lockReleased(lockPath)
  }
}

async function tookLock(lockPath: string): Promise<boolean> {
  return writeFile(lockPath, String(process.pid), { flag: 'wx' }).then(
    () => true,
    () => false,
  )
}

async function lockReleased(lockPath: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = async () => {
      const holder = Number(await readFile(lockPath, 'utf8').catch(() => ''))
      if (holder > 0 && !isAlive(holder)) await rm(lockPath, { force: true })
      if (existsSync(lockPath)) return
      watcher.close()
      clearInterval(timer)
      resolve()
    }
    const watcher = watch(dirname(lockPath), look)
    const timer = setInterval(look, RECHECK_MS)
    void look()
  })
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

// Compiled, this file lies deeper than its source.
function repositoryRoot(): string {
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return directory
}
