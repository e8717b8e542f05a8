// Runs test files, some at a time: those that start processes or a whole Callgate in a process each; those that
// start nothing together in one, and those that start nothing but a nats-server in another, because a process
// with tap and the project in it costs more to start than most of them to run. tap by itself would put
// its loader hooks into each of those processes and into all that they start, for coverage, which we do not
// collect: the suite would take twice as long. `npx tap dist/test/...` runs one file.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'

/** For what hangs: a file takes half a minute, and three where the machine is busy with other things. */
const FILE_TIMEOUT_SECONDS = 240
/** The longest of them takes three quarters of a minute. */
const GROUP_TIMEOUT_SECONDS = 360

/** What ends with the test that has started it, and can be started by others in the same process. */
const NATS_ONLY = String.raw`test-bus|support\/(?:nats|cuttable-proxy|scripted-runner)`
const STARTS_NATS = new RegExp(String.raw`^import .* from '.*\/(?:${NATS_ONLY})\.js'`, 'm')
/** What starts other things does it with these; what mocks the clock of its process needs its own. */
const NEEDS_A_PROCESS = new RegExp(
  String.raw`^import .* from '(?:.*\/(?!${NATS_ONLY})(?:support\/.*|command)\.js|node:(?:child_process|test))'`,
  'm',
)

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
  const withNats = together.filter(({ text }) => STARTS_NATS.test(text))
  const pure = together.filter((file) => !withNats.includes(file))
  // A file keeps to this itself, and we do to the timeout below: tap's own is for the whole suite.
  t.jobs = jobs
  const spawn = (title: string, timeoutSeconds: number, ...files: string[]) => {
    // The hooks come with this variable.
    const args = ['-u', 'NODE_OPTIONS', process.execPath, ...files]
    const env = { ...process.env, TAP_TIMEOUT: String(timeoutSeconds) }
    t.spawn('env', args, { buffered: true, timeout: timeoutSeconds * 1000, env }, title)
  }
  const spawnGroup = (group: readonly TestFile[], what: string) => {
    if (group.length === 0) return
    const files = [pathOf('run-together.js'), ...group.map(({ name }) => pathOf(name))]
    spawn(`${group.length} files that start ${what}`, GROUP_TIMEOUT_SECONDS, ...files)
  }
  spawnGroup(withNats, 'nothing but a nats-server')
  spawnGroup(pure, 'nothing')
  for (const { name } of longestFirst(alone)) spawn(name, FILE_TIMEOUT_SECONDS, pathOf(name))
}

function pathOf(name: string): string {
  return join(import.meta.dirname, name)
}

/** By what is in them, which is near enough: one that came last would keep the others waiting. */
function longestFirst(files: readonly TestFile[]): readonly TestFile[] {
  return files.toSorted((a, b) => b.text.length - a.text.length)
}
