// Which nats-server `callgate dev` and the tests run. The user's word comes first, then what the
// system has, then what install-nats-server.ts has put into the state directory. The search goes
// past PATH because Debian keeps daemons in /usr/sbin, which is not on every user's PATH, and
// because Homebrew's and Go's folders are missing from the PATH of programs started by a desktop.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, constants, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { installedPath, pinnedForThisMachine } from './pinned-nats-server.js'

// The oldest release that Callgate is tried against (Debian 12's).
const OLDEST = { major: 2, minor: 9 }

// A binary answers --version in milliseconds; a cold disk or an emulator may take seconds.
const VERSION_TIMEOUT_MS = 10_000

const USUAL_FOLDERS = [
  '/usr/sbin',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
  join(homedir(), 'go', 'bin'),
]

/** Throws only when CALLGATE_NATS_SERVER names something that cannot be used. */
export async function findNatsServer(options: { stateDir: string }): Promise<string | undefined> {
  const named = process.env.CALLGATE_NATS_SERVER
  if (named) {
    const path = resolve(named)
    const fault = await faultOf(path)
    if (fault) throw new Error(`CALLGATE_NATS_SERVER is ${path}, which ${fault}.`)
    return path
  }

  const folders = [...(process.env.PATH ?? '').split(delimiter), ...USUAL_FOLDERS]
  for (const folder of new Set(folders.filter(Boolean))) {
    const path = resolve(folder, 'nats-server')
    if ((await isExecutable(path)) && !(await faultOf(path))) return path
  }

  const path = resolve(installedPath(options.stateDir))
  return (await isPinnedBinary(path)) ? path : undefined
}

/** True when the file is, byte for byte, the binary that we install on this kind of machine. */
export async function isPinnedBinary(path: string): Promise<boolean> {
  const expected = pinnedForThisMachine()?.binarySha256
  const content = await readFile(path).catch(() => undefined)
  if (!expected || !content) return false
  return createHash('sha256').update(content).digest('hex') === expected
}

async function faultOf(path: string): Promise<string | undefined> {
  const run = promisify(execFile)(path, ['--version'], { timeout: VERSION_TIMEOUT_MS })
  const result = await run.catch((error: Error) => error)
  if (result instanceof Error) return `does not run (${lastLine(result.message)})`
  const version = /nats-server: v(\d+)\.(\d+)/.exec(result.stdout)
  if (!version) return 'does not answer --version as nats-server does'
  const [major, minor] = [Number(version[1]), Number(version[2])]
  if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) return undefined
  return `is older than ${OLDEST.major}.${OLDEST.minor}`
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
