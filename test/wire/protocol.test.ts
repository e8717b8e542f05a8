// PROTOCOL.md is the law: its table of frames is read here, and held against the code and its golden bytes.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { FRAME } from '../../shared/frame.js'
import { GOLDEN } from './golden.js'

const PROTOCOL = new URL('../../../shared/PROTOCOL.md', import.meta.url)

const rows = [
  ...readFileSync(PROTOCOL, 'utf8').matchAll(
    /^\| (\d+) +\| ([A-Z]+) +\| (.*?) +\| (?:caller|runner|both) +\|$/gm,
  ),
].map(([, type, name, elements]) => ({
  type: Number(type),
  name: name!.toLowerCase(),
  elements: elements === 'none' ? 0 : elements!.split(', ').length,
}))

t.test('the table has every frame, by its number', (t) => {
  t.same(Object.fromEntries(rows.map(({ name, type }) => [name, type])), FRAME)
  t.end()
})

t.test('each has the elements that it says', (t) => {
  for (const { type, name, elements } of rows) {
    const frames = GOLDEN.filter(({ frame }) => frame[0] === type)
    t.not(frames.length, 0, `${name} has golden bytes`)
    for (const { frame } of frames) t.equal(frame.length - 1, elements, name)
  }
  t.end()
})
