// In processes of their own: the log is standard output.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { folderWith } from '../support/folder.js'

const LOG = new URL('../../shared/log.js', import.meta.url).href

/** Logs more than any pipe holds, and says so. */
const FILL = `
  import { createLog } from '${LOG}'
  const isOnlyWriter = process.argv[2] === 'alone'
  const log = createLog({ logLevel: 'info', logFormat: 'json' }, {}, isOnlyWriter)
  process.on('SIGTERM', () => process.exit(0))
  for (let line = 0; line < 4_000; line++) log.info('x'.repeat(1_000))
  setImmediate(() => process.send('filled'))`

/** Some lines are longer than others, and every tenth is the function's own. */
const TALK = `
  import { createLog } from '${LOG}'
  const log = createLog({ logLevel: 'info', logFormat: 'json' }, { function: process.argv[2] })
  let line = 0
  const talk = () => {
    for (let turn = 0; turn < 50; turn++, line++) {
      const text = 'é'.repeat((line * 37) % 900)
      if (line % 10 === 0) console.log(JSON.stringify({ own: process.argv[2], line, text }))
      else log.info({ line, text }, 'said')
    }
    if (line < 1_000) setImmediate(talk)
  }
  talk()`

const folder = folderWith(t, { 'fill.mjs': FILL, 'talk.mjs': TALK })

for (const writers of ['alone', 'one of several']) {
  t.test(`a process ends although nobody reads its log: ${writers}`, async (t) => {
    // What was still to be written was tried without end.
    const child = spawn(process.execPath, [join(folder, 'fill.mjs'), writers], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    await once(child, 'message')
    child.kill('SIGTERM')
    t.same(await once(child, 'exit'), [0, null])
  })
}

t.test('lines of several processes on one pipe are whole, and beside console.log', async (t) => {
  // They were written 32 KiB at once, which the kernel mixes where a pipe is full.
  const names = ['a', 'b', 'c']
  const started = names.map((name) => `"$0" "$1" ${name} &`).join(' ')
  const shell = spawn(
    '/bin/sh',
    ['-c', `{ ${started} wait; } | cat`, process.execPath, join(folder, 'talk.mjs')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let output = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await once(shell, 'close')
  const torn: string[] = []
  const seen = new Map(names.map((name) => [name, 0]))
  for (const text of output.trimEnd().split('\n')) {
    try {
      const line = JSON.parse(text) as { function?: string; own?: string }
      const name = (line.function ?? line.own)!
      seen.set(name, seen.get(name)! + 1)
    } catch {
      torn.push(text)
    }
  }
  t.same(torn, [])
  t.same([...seen.values()], [1_000, 1_000, 1_000])
})
