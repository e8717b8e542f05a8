// Runs test files, some at a time: those that start anything in a process each, the others together in one,
// because a process with tap in it takes longer to start than most of them to run. tap by itself would put
// its loader hooks into each of those processes and into all that they start, for coverage, which we do not
// collect: the suite would take twice as long. `npx tap dist/test/...` runs one file.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'

/** For what hangs: a file takes half a minute, and three where the machine is busy with other things. */
const FILE_TIMEOUT_SECONDS = 240

/** What starts processes or servers does it with these; what sets the clock of its process needs its own. */
const NEEDS_A_PROCESS =
  /^import .* from '(?:.*\/(?:support\/.*|command\.js|test-bus\.js)|node:test)'/m

interface TestFile {
  /** Its path, from the folder of the tests. */
  readonly name: string
  readonly text: string
}

/**
 * @param isWanted by its path, from the folder of the tests
 * @param jobs how many files at a time; more than there are cores, where files wait for a clock or a process
 */
export async function runFiles(isWanted: (name: string) => boolean, jobs: number): Promise<void> {
  const names = (await readdir(import.meta.dirname, { recursive: true })).filter(
    (name) => name.endsWith('.test.js') && isWanted(name),
  )
  const files = await Promise.all(
    names.map(async (name) => ({ name, text: await readFile(pathOf(name), 'utf8') })),
  )
  // The tests of load tests look at their own process, or start what they measure.
  const alone = files.filter(
    ({ name, text }) => name.startsWith('loadtest/') || NEEDS_A_PROCESS.test(text),
  )
  const together = files.filter((file) => !alone.includes(file))
  // A file keeps to this itself, and we do to the timeout below: tap's own is for the whole suite.
  const env = { ...process.env, TAP_TIMEOUT: String(FILE_TIMEOUT_SECONDS) }
  t.jobs = jobs
  const spawn = (title: string, ...files: string[]) => {
    // The hooks come with this variable.
    const args = ['-u', 'NODE_OPTIONS', process.execPath, ...files]
    t.spawn('env', args, { buffered: true, timeout: FILE_TIMEOUT_SECONDS * 1000, env }, title)
  }
  if (together.length > 0) {
    const title = `${together.length} files that start nothing`
    spawn(title, pathOf('run-together.js'), ...together.map(({ name }) => pathOf(name)))
  }
  for (const { name } of longestFirst(alone)) spawn(name, pathOf(name))
}

function pathOf(name: string): string {
  return join(import.meta.dirname, name)
}

/** By what is in them, which is near enough: one that came last would keep the others waiting. */
function longestFirst(files: readonly TestFile[]): readonly TestFile[] {
  return files.toSorted((a, b) => b.text.length - a.text.length)
}
