// Runs test files, in a process each, some at a time. tap by itself would put its loader hooks into each of
// those processes and into all that they start, for coverage, which we do not collect: the suite would take
// twice as long. `npx tap dist/test/...` runs one file.

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'

/** More than there are cores on the smallest machine: half of the files wait for a clock or a process. */
const JOBS = 4
/** For what hangs: a file takes half a minute, and three where the machine is busy with other things. */
const FILE_TIMEOUT_SECONDS = 240

/** @param isWanted by its path, from the folder of the tests */
export async function runFiles(isWanted: (name: string) => boolean): Promise<void> {
  const names = (await readdir(import.meta.dirname, { recursive: true })).filter(
    (name) => name.endsWith('.test.js') && isWanted(name),
  )
  const files = await longestFirst(names)
  // A file keeps to this itself, and we do to the timeout below: tap's own is for the whole suite.
  const env = { ...process.env, TAP_TIMEOUT: String(FILE_TIMEOUT_SECONDS) }
  t.jobs = JOBS
  for (const name of files) {
    // The hooks come with this variable.
    const args = ['-u', 'NODE_OPTIONS', process.execPath, join(import.meta.dirname, name)]
    t.spawn('env', args, { buffered: true, timeout: FILE_TIMEOUT_SECONDS * 1000, env }, name)
  }
}

/** By what is in them, which is near enough: one that came last would keep the others waiting. */
async function longestFirst(names: readonly string[]): Promise<readonly string[]> {
  const files = await Promise.all(
    names.map(async (name) => ({ name, ...(await stat(join(import.meta.dirname, name))) })),
  )
  return files.sort((a, b) => b.size - a.size).map(({ name }) => name)
}
