// The peers that others have written. They are no dependencies of the project: those of npm and PyPI are
// installed, when somebody asks for it, into .callgate/peers (see install-peers.ts), at the versions that
// loadtest/peers/NAME pins; HAProxy and nginx are the system's. A load test runs with those that are there.

import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { REPOSITORY } from './testbed.js'

export type PeerPackage =
  | { readonly from: 'npm' | 'PyPI' }
  | { readonly from: 'Debian'; readonly debianPackage: string }

export const PEER_PACKAGES: Readonly<Record<string, PeerPackage>> = {
  haproxy: { from: 'Debian', debianPackage: 'haproxy' },
  nginx: { from: 'Debian', debianPackage: 'nginx-light' },
  workerd: { from: 'npm' },
  portkey: { from: 'npm' },
  litellm: { from: 'PyPI' },
  litserve: { from: 'PyPI' },
  'ray-serve': { from: 'PyPI' },
}

/** What is there to install, and what came of it. */
export interface PeerFolders {
  readonly sources: string
  readonly installed: string
}

export const PEER_FOLDERS: PeerFolders = {
  sources: join(REPOSITORY, 'loadtest', 'peers'),
  installed: join(REPOSITORY, '.callgate', 'peers'),
}

// Debian has servers in the first of these, which is not on everybody's path.
const MORE_PATHS = ['/usr/sbin', '/usr/local/sbin']

/** Where the exact versions are. */
export function lockFile(name: string, from: 'npm' | 'PyPI', { sources }: PeerFolders): string {
  return join(sources, name, from === 'npm' ? 'package-lock.json' : 'requirements.txt')
}

/** A copy of the lock file, made when all that it names was installed. */
export function stampFile(name: string, { installed }: PeerFolders): string {
  return join(installed, name, 'installed')
}

/** Of these subjects, the peers that cannot be started. */
export async function missingPeers(
  subjects: readonly string[],
  folders = PEER_FOLDERS,
): Promise<string[]> {
  const isThere = await Promise.all(subjects.map((name) => isReady(name, folders)))
  return subjects.filter((_, index) => !isThere[index])
}

/** How to get peers that are missing, in one line. */
export function howToGet(missing: readonly string[]): string {
  const ways: string[] = []
  const debianPackages: string[] = []
  const names: string[] = []
  for (const name of missing) {
    const peer = PEER_PACKAGES[name]!
    if (peer.from === 'Debian') debianPackages.push(peer.debianPackage)
    else names.push(name)
  }
  if (debianPackages.length > 0) ways.push(`apt-get install ${debianPackages.join(' ')}`)
  if (names.length > 0) ways.push(`npm run loadtest -- install-peers ${names.join(' ')}`)
  return `to get ${missing.join(', ')}: ${ways.join('; ')}`
}

/** Of a program on the path, or where servers are; undefined if it is nowhere. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), ...MORE_PATHS]) {
    const path = join(directory, name)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return undefined
}

async function isReady(name: string, folders: PeerFolders): Promise<boolean> {
  const peer = PEER_PACKAGES[name]
  if (peer === undefined) return true
  if (peer.from === 'Debian') return (await findProgram(name)) !== undefined
  const [wanted, installed] = await Promise.all([
    readFile(lockFile(name, peer.from, folders), 'utf8'),
    readFile(stampFile(name, folders), 'utf8').catch(() => undefined),
  ])
  return wanted === installed
}
