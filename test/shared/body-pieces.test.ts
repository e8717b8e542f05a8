import t from 'tap'
import { BodyPieces } from '../../shared/body-pieces.js'

t.test('what goes in comes out, in order, whatever the sizes', (t) => {
  const sizes = [
    1,
    5_000,
    1,
    1,
    1_023,
    1_024,
    300,
    ...Array.from({ length: 500 }, (_, n) => n % 90),
  ]
  for (const readsEvery of [1, 3, 50, Number.POSITIVE_INFINITY]) {
    const pieces = new BodyPieces()
    const put: Buffer[] = []
    const got: Uint8Array[] = []
    for (const [index, size] of sizes.entries()) {
      const piece = Buffer.alloc(size, index)
      put.push(piece)
      pieces.push(piece)
      if (index % readsEvery === readsEvery - 1) got.push(pieces.shift()!)
    }
    t.equal(pieces.bytes, Buffer.concat(put).length - Buffer.concat(got).length)
    got.push(pieces.take() ?? Buffer.alloc(0))
    t.ok(Buffer.concat(got).equals(Buffer.concat(put)))
    t.equal(pieces.bytes, 0)
    t.equal(pieces.take(), null)
  }
  t.end()
})

t.test('one piece is handed through as it is', (t) => {
  const pieces = new BodyPieces()
  const piece = Buffer.from('one')
  pieces.push(piece)
  t.equal(pieces.take(), piece)
  t.equal(pieces.shift(), undefined)
  t.end()
})

t.test('a body that comes byte by byte takes little more than its bytes', (t) => {
  const pieces = new BodyPieces()
  for (let index = 0; index < 100_000; index += 1) pieces.push(Buffer.from([index]))
  let count = 0
  while (pieces.shift() !== undefined) count += 1
  t.ok(count < 20, `${count} pieces`)
  t.end()
})

t.test('a piece that was taken out does not change any more', (t) => {
  const pieces = new BodyPieces()
  for (let index = 0; index < 20; index += 1) pieces.push(Buffer.from([index]))
  const seen = Array.from({ length: 9 }, () => pieces.shift()!)
  for (let index = 20; index < 40; index += 1) pieces.push(Buffer.from([index]))
  t.same(
    [...Buffer.concat(seen)],
    Array.from({ length: 20 }, (_, index) => index),
  )
  t.end()
})
