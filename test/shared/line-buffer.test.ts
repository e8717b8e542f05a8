import t from 'tap'
import { LineBuffer } from '../../shared/line-buffer.js'

function recorded(bufferBytes: number) {
  const pieces: Buffer[] = []
  let syncs = 0
  const lines = new LineBuffer(
    { write: (bytes) => void pieces.push(bytes), flushSync: () => void syncs++ },
    bufferBytes,
  )
  return { lines, pieces, text: () => Buffer.concat(pieces).toString(), syncs: () => syncs }
}

t.test('lines wait until the buffer may not hold the next one', (t) => {
  const { lines, pieces, text } = recorded(30)
  lines.write('123456\n')
  lines.write('654321\n')
  t.equal(pieces.length, 0)
  lines.write('abcdef\n')
  t.equal(text(), '123456\n654321\n')
  lines.flush()
  lines.flush()
  t.equal(text(), '123456\n654321\nabcdef\n')
  t.equal(pieces.length, 2, 'nothing is handed on twice, nor an empty piece')
  t.end()
})

t.test('pieces that were handed on stay as they are', (t) => {
  const { lines, text } = recorded(64)
  let expected = ''
  for (let index = 0; index < 1_000; index++) {
    const line = `${'é🙂x'.repeat(index % 30)}${index}\n`
    lines.write(line)
    expected += line
  }
  lines.flush()
  t.equal(text(), expected)
  t.end()
})

t.test('a line longer than the buffer comes after the ones before it', (t) => {
  const { lines, text } = recorded(16)
  lines.write('a\n')
  lines.write(`${'long'.repeat(10)}\n`)
  lines.write('b\n')
  lines.flushSync()
  t.equal(text(), `a\n${'long'.repeat(10)}\nb\n`)
  t.end()
})

t.test('flushSync hands on what there is first', (t) => {
  const { lines, text, syncs } = recorded(1024)
  lines.write('last words\n')
  lines.flushSync()
  t.equal(text(), 'last words\n')
  t.equal(syncs(), 1)
  t.end()
})
