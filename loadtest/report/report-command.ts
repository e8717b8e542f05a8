// `report`: the load tests of the plan one after another, each a process of its own as if it had been started
// by hand, and what they found as one page. It is written anew after each, so that what breaks off late
// leaves what it had.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { positiveInteger } from '../common-options.js'
import { REPOSITORY } from '../testbed.js'
import { commit } from './machine.js'
import { reportPage } from './page.js'
import { type Choice, PLAN, plannedArgs } from './plan.js'
import { type Missing, type Report, readReport, writeReport } from './report.js'

const PROGRAM = join(import.meta.dirname, '..', 'main.js')

interface ReportOptions extends Choice {
  readonly out?: string
}

/** @param signal ends the load tests early */
export function reportCommand(signal: AbortSignal): Command {
  const names = [...new Set(PLAN.map(({ scenario }) => scenario))]
  const chosen = (text: string): string[] => {
    const wanted = text.split(',')
    const unknown = wanted.find((name) => !names.includes(name))
    if (unknown === undefined) return wanted
    throw new InvalidArgumentError(`"${unknown}" is none of ${names.join(', ')}.`)
  }
  return new Command('report')
    .description('load tests one after another, and one page of what they found')
    .option('--scenarios <names>', `of ${names.join(', ')}`, chosen)
    .option('--rounds <n>', 'of those that have rounds', positiveInteger)
    .option('--quick', 'to see in seconds that each works; no figures to keep')
    .option('--out <directory>', 'loadtest/reports/<date>-<commit> by default')
    .action(async (options: ReportOptions) => {
      const report = await measureAll(plannedArgs(options), directoryOf(options), signal)
      if (report.missing.length > 0) process.exitCode = 1
    })
}

/** `render`: a page of what is measured already. */
export function renderCommand(): Command {
  return new Command('render')
    .description('a page of results that --json or a report has written')
    .argument('<files...>', 'JSON of results or reports')
    .requiredOption('--out <file>', 'the page')
    .action(async (files: string[], { out }: { out: string }) => {
      await writeFile(out, reportPage(await readReport(files)))
      console.error(out)
    })
}

function directoryOf({ out }: ReportOptions): string {
  if (out !== undefined) return out
  const day = new Date().toISOString().slice(0, 10)
  const name = commit().replace('commit ', '').replaceAll(' ', '-')
  return join(REPOSITORY, 'loadtest', 'reports', `${day}-${name}`)
}

async function measureAll(
  all: readonly string[][],
  directory: string,
  signal: AbortSignal,
): Promise<Report> {
  const temporary = await mkdtemp(join(tmpdir(), 'callgate-report-'))
  await mkdir(directory, { recursive: true })
  const files: string[] = []
  const missing: Missing[] = []
  const report = async () => ({ results: (await readReport(files)).results, missing })
  try {
    for (const [index, args] of all.entries()) {
      const command = `npm run loadtest -- ${args.join(' ')}`
      console.error(`\n${index + 1} of ${all.length}: ${command}`)
      const file = join(temporary, `${index}.json`)
      const end = await measure([...args, '--json', file], signal)
      const isWritten = await readReport([file]).then(
        () => true,
        () => false,
      )
      if (isWritten) files.push(file)
      else missing.push({ command, reason: end })
      await writeReport(join(directory, 'report.json'), await report())
      await writeFile(join(directory, 'report.html'), reportPage(await report()))
    }
    console.error(`\n${join(directory, 'report.html')}`)
    return await report()
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** @returns how it ended; with errors in what it measured, its exit code is 1, and that is for the report to tell */
async function measure(args: readonly string[], signal: AbortSignal): Promise<string> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'inherit' })
  const stop = () => child.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  try {
    const [code, endedBy] = await once(child, 'exit')
    signal.throwIfAborted()
    if (code !== 0) process.exitCode = 1
    return endedBy === null ? `exit code ${code}` : `ended by ${endedBy}`
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
