import t from 'tap'
import { LineBuffer } from '../../shared/line-buffer.js'

function recorded(maxChars: number) {
  const pieces: Buffer[] = []
  const last: Buffer[] = []
  const lines = new LineBuffer(
    { write: (lines) => void pieces.push(lines), flushSync: (lines) => void last.push(lines) },
    maxChars,
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
