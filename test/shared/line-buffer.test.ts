import t from 'tap'
import { LineBuffer } from '../../shared/line-buffer.js'

function recorded(maxBytes: number) {
  const pieces: Buffer[] = []
  const last: Buffer[] = []
  const lines = new LineBuffer(
    { write: (lines) => void pieces.push(lines), flushSync: (lines) => void last.push(lines) },
    maxBytes,
  )
  return { lines, pieces, text: () => Buffer.concat(pieces).toString(), last }
}

t.test('lines wait until they are many', (t) => {
  const { lines, pieces, text } = recorded(20)
  lines.write('123456\n')
  lines.write('654321\n')
  t.equal(pieces.length, 0)
  lines.write('abcdef\n')
  t.equal(text(), '123456\n654321\nabcdef\n')
  t.equal(pieces.length, 1)
  t.end()
})

t.test('a flush hands on what there is, once', (t) => {
  const { lines, pieces, text } = recorded(1024)
  lines.write('é🙂\n')
  lines.flush()
  lines.flush()
  t.equal(text(), 'é🙂\n')
  t.equal(pieces.length, 1)
  lines.write('more\n')
  lines.flush()
  t.equal(text(), 'é🙂\nmore\n')
  t.end()
})

t.test('flushSync hands on what there is', (t) => {
  const { lines, pieces, last } = recorded(1024)
  lines.write('last words\n')
  lines.flushSync()
  lines.flushSync()
  t.equal(Buffer.concat(last).toString(), 'last words\n')
  t.equal(pieces.length, 0)
  t.end()
})

t.test('a line is put where there is room for it, however long', (t) => {
  const { lines, pieces, text } = recorded(64)
  for (const line of ['short\n', `${'x'.repeat(10_000)}\n`, 'short again\n']) {
    const target = lines.room(2 * line.length)
    lines.endLine(lines.used + target.write(line, lines.used))
  }
  lines.flush()
  t.equal(text(), `short\n${'x'.repeat(10_000)}\nshort again\n`)
  t.equal(pieces.length, 2)
  t.equal(lines.room(1).length, 64 + 4096, 'what has grown for a long line is not kept')
  t.end()
})

t.test('what was handed on does not change with later lines', (t) => {
  const { lines, pieces } = recorded(8)
  lines.write('first line\n')
  lines.write('second line\n')
  t.same(pieces.map(String), ['first line\n', 'second line\n'])
  t.end()
})

t.test(
  "who adds lines together has added them before anybody else's, and before lines are handed on",
  (t) => {
    const { lines, text, last } = recorded(1024)
    let waiting: string[] = []
    lines.gatherFrom(() => {
      for (const line of waiting.splice(0)) {
        const target = lines.room(line.length)
        lines.endLine(lines.used + target.write(line, lines.used))
      }
    })
    waiting = ['first\n', 'second\n']
    lines.write('third\n')
    waiting = ['fourth\n']
    lines.flush()
    t.equal(text(), 'first\nsecond\nthird\nfourth\n')
    waiting = ['last\n']
    lines.flushSync()
    t.equal(Buffer.concat(last).toString(), 'last\n')
    t.end()
  },
)
