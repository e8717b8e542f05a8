import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { plannedArgs } from '../../../loadtest/report/plan.js'
import { RESULT } from './sample-result.js'

const PROGRAM = join(import.meta.dirname, '..', '..', '..', 'loadtest', 'main.js')

test('a page is drawn of results and reports that are there already', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'callgate-test-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const [result, report, page] = ['one.json', 'two.json', 'report.html'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  await writeFile(result, JSON.stringify(RESULT))
  const other = { ...RESULT, scenario: 'sse' }
  await writeFile(report, JSON.stringify({ results: [other], missing: [] }))
  await promisify(execFile)(process.execPath, [PROGRAM, 'render', result, report, '--out', page])
  const text = await readFile(page, 'utf8')
  t.match(text, /<h2>unary<\/h2>[\s\S]*<h2>sse<\/h2>/)

  await writeFile(report, '{}')
  const failure = promisify(execFile)(process.execPath, [PROGRAM, 'render', report, '--out', page])
  await t.rejects(failure, /is no result of a load test/)
})

test('a report is made of the scenarios that are asked for, with rounds where there are any', (t) => {
  const args = plannedArgs({ scenarios: ['ws', 'soak'], rounds: 5 })
  t.same(args, [['ws', '--rounds', '5'], ['soak']])
  t.ok(plannedArgs({}).length > 2)
  t.same(plannedArgs({ scenarios: ['ws'], quick: true }), [
    ['ws', '--sockets', '100', '--rounds', '1'],
  ])
  t.end()
})
