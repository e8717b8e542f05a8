// Installs peers of npm and PyPI at their pinned versions, each into a folder of its own. What the system's
// packages have, it only tells: those are not ours to install.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Argument, Command } from 'commander'
import {
  howToGet,
  lockFile,
  missingPeers,
  PEER_FOLDERS,
  PEER_PACKAGES,
  stampFile,
} from './peer-packages.js'

/** @param signal ends an installation early */
export function installPeersCommand(signal: AbortSignal): Command {
  const names = Object.keys(PEER_PACKAGES)
  const argument = new Argument('[names...]', 'all by default').choices(names)
  return new Command('install-peers')
    .description('install what Callgate is compared with and is no dependency of it')
    .addArgument(argument)
    .action(async (chosen: string[]) => {
      for (const name of await missingPeers(chosen.length === 0 ? names : chosen)) {
        const { from } = PEER_PACKAGES[name]!
        if (from === 'Debian') console.error(howToGet([name]))
        else await installPeer(name, from, signal)
      }
    })
}

async function installPeer(name: string, from: 'npm' | 'PyPI', signal: AbortSignal): Promise<void> {
  console.error(`installing ${name} from ${from}`)
  const directory = join(PEER_FOLDERS.installed, name)
  const lock = lockFile(name, from, PEER_FOLDERS)
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  if (from === 'npm') {
    await copyFile(
      join(PEER_FOLDERS.sources, name, 'package.json'),
      join(directory, 'package.json'),
    )
    await copyFile(lock, join(directory, 'package-lock.json'))
    // None of them needs its scripts, and what they need comes in packages.
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund']
    await run(['npm', 'ci', ...quiet, '--prefix', directory], signal)
  } else {
    await run(['python3', '-m', 'venv', directory], signal)
    // The file names all of them, so there is nothing to resolve.
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', lock]
    await run([join(directory, 'bin', 'python'), '-m', 'pip', 'install', ...options], signal)
  }
  // Last, because it says that all is there.
  await copyFile(lock, stampFile(name, PEER_FOLDERS))
}

async function run([program, ...args]: string[], signal: AbortSignal): Promise<void> {
  const child = spawn(program!, args, { stdio: ['ignore', 'inherit', 'inherit'], signal })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${program} ended with exit code ${code}.`)
}
