// Keeps two nats-servers of ours off one JetStream store, which nats-server itself does not check.
// A lock is a file nats-server.lock.<n> with the server's pid and its config path; the highest n
// rules. It is held as long as that pid runs with that config path in its arguments: no release is
// needed after a crash, and a pid that a reboot gave to another program holds nothing. A new holder
// links the next n, which only one can, and the highest is never removed: with a single name, the
// removal of a stale lock by one starter could remove the fresh lock of another.

import { execFile } from 'node:child_process'
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const LOCK_NAME = /^nats-server\.lock\.(\d+)$/

interface Holder {
  readonly pid: number
  readonly configPath: string
}

/** Throws one sentence when a live nats-server holds the store. */
export async function lockStore(storeDir: string, holder: Holder): Promise<void> {
  // Written under another name first and then linked, so that nobody ever reads half a lock.
  const claimPath = join(storeDir, `nats-server.claim.${holder.pid}`)
  await writeFile(claimPath, `${holder.pid}\n${holder.configPath}\n`)
  try {
    while (!(await tookLock(storeDir, claimPath, holder))) {
      // Another starter was faster, at taking the lock or at clearing older ones: look again.
    }
  } finally {
    await rm(claimPath, { force: true })
  }
}

async function tookLock(storeDir: string, claimPath: string, own: Holder): Promise<boolean> {
  const highest = Math.max(0, ...(await lockNumbers(storeDir)))
  if (highest > 0) {
    const content = await contentOf(lockPath(storeDir, highest))
    if (content === undefined) return false
    const other = parseHolder(content)
    if (other && other.pid !== own.pid && (await isRunning(other))) {
      throw alreadyRunning(other.pid, storeDir)
    }
  }

  const ownNumber = highest + 1
  if (!(await linked(claimPath, lockPath(storeDir, ownNumber)))) return false
  // The name may have been free only because a higher holder had cleared it.
  const numbers = await lockNumbers(storeDir)
  const isHighest = numbers.every((number) => number <= ownNumber)
  const useless = isHighest ? numbers.filter((number) => number < ownNumber) : [ownNumber]
  for (const number of useless) await rm(lockPath(storeDir, number), { force: true })
  return isHighest
}

function lockPath(storeDir: string, number: number): string {
  return join(storeDir, `nats-server.lock.${number}`)
}

async function lockNumbers(storeDir: string): Promise<number[]> {
  const names = await readdir(storeDir)
  return names.map((name) => Number(LOCK_NAME.exec(name)?.[1] ?? 0)).filter((n) => n > 0)
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function parseHolder(content: string): Holder | undefined {
  const [pid = '', configPath = ''] = content.split('\n')
  if (!/^\d+$/.test(pid) || configPath === '') return undefined
  return { pid: Number(pid), configPath }
}

async function isRunning({ pid, configPath }: Holder): Promise<boolean> {
  return (await argumentsOf(pid)).includes(configPath)
}

async function argumentsOf(pid: number): Promise<string> {
  if (process.platform === 'linux') return (await contentOf(`/proc/${pid}/cmdline`)) ?? ''
  const listing = promisify(execFile)('ps', ['-ww', '-p', String(pid), '-o', 'command='])
  return listing.then(
    ({ stdout }) => stdout,
    () => '',
  )
}

async function contentOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}

function alreadyRunning(pid: number, storeDir: string): Error {
  return new Error(
    `A nats-server of Callgate (pid ${pid}) already uses ${storeDir}: ` +
      'stop it, or give this one another state directory.',
  )
}
