import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type Test, test } from 'tap'
import type { SubjectReport } from '../../loadtest/report/compared-subjects.js'
import type { Result } from '../../loadtest/report/result.js'

const PROGRAM = join(import.meta.dirname, '..', '..', 'loadtest', 'main.js')

type Program = ChildProcessByStdio<null, Readable, Readable>

/** With a temporary directory of its own, so that what it leaves behind is seen. */
async function start(t: Test, args: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), 'callgate-test-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const child: Program = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  return { child, output, directory }
}

test('prints one table, writes the numbers, and leaves nothing behind', async (t) => {
  const file = join(await mkdtemp(join(tmpdir(), 'callgate-test-')), 'report.json')
  t.teardown(() => rm(file, { force: true }))
  const args = ['unary', '--only', 'node-http', '--connections', '1', '--rounds', '1']
  const { child, output, directory } = await start(t, [...args, '--duration', '1', '--json', file])
  const [code] = await once(child, 'close')
  t.equal(code, 0, output.stderr)
  t.match(output.stdout, /^unary: small JSON calls: 1 connections/)
  t.match(output.stdout, /\n\| node-http /)
  const result = JSON.parse(await readFile(file, 'utf8')) as Result
  t.equal(result.command, `npm run loadtest -- ${args.join(' ')} --duration 1`)
  t.match(result.machine, /^\d+ cores .*, Node v\d.*, nats-server v?\d/)
  t.match(result.commit, /^commit [0-9a-f]{7,}( with changes)?$/)
  t.same(
    (result.data as { subjects: SubjectReport[] }).subjects.map(({ name, rounds }) => [
      name,
      rounds.length,
    ]),
    [['node-http', 2]],
  )
  t.same(await readdir(directory), [])
})

test('Ctrl-C ends every process before it ends itself', async (t) => {
  const { child, output, directory } = await start(t, [
    'unary',
    '--only',
    'node-http,fastify-nats',
    '--connections',
    '1',
  ])
  while (!output.stderr.includes('warm-up: node-http')) await once(child.stderr, 'data')
  child.kill('SIGINT')
  const [code] = await once(child, 'close')
  t.equal(code, 130)
  t.equal(output.stdout, '')
  // It removes the directory after the last exit.
  t.same(await readdir(directory), [])
  t.same(await processesNaming(directory), [])
})

test('a fault in the arguments is told before anything starts', async (t) => {
  const { child, output } = await start(t, ['unary', '--only', 'nobody'])
  const [code] = await once(child, 'close')
  t.equal(code, 1)
  t.match(output.stderr, /"nobody" is none of callgate, uws-hello, node-http, fastify-nats/)
})

async function processesNaming(text: string): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return lines.filter((line) => line.includes(text))
}
