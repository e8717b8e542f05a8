import t from 'tap'
import { TurnTaker } from '../../runner/turn-taker.js'

/** A body whose pieces take so many milliseconds each; the numbers of those after which it waited. */
async function turnsOf(pieces: number, pieceMs: number, bodies: number): Promise<number[]> {
  let nowMs = 0
  const others = Array.from({ length: bodies - 1 }, () => new TurnTaker())
  const turns = new TurnTaker(() => nowMs)
  const waited: number[] = []
  for (let piece = 1; piece <= pieces; piece++) {
    nowMs += pieceMs
    const turn = turns.afterPiece()
    if (turn === null) continue
    waited.push(piece)
    await turn
  }
  for (const body of [turns, ...others]) body.end()
  return waited
}

t.test('pieces that are quickly made leave 32 together', async (t) => {
  t.same(await turnsOf(100, 0.01, 1), [32, 64, 96])
})

t.test('what took its time leaves before more is made', async (t) => {
  t.same(await turnsOf(4, 10, 1), [1, 2, 3, 4])
  // The clock is looked at after one, two and four of a turn.
  t.same(await turnsOf(10, 0.6, 1), [4, 8])
})

t.test(
  'bodies that share a turn have the time of all of them, but not more than a tenth of a second',
  async (t) => {
    t.same(await turnsOf(8, 10, 10), [4, 8])
    t.same(await turnsOf(8, 60, 1_000), [2, 4, 6, 8])
  },
)

t.test('a turn lets the event loop go on', async (t) => {
  const turns = new TurnTaker(() => 0)
  let hasGoneOn = false
  setImmediate(() => {
    hasGoneOn = true
  })
  for (let piece = 1; piece < 32; piece++) t.equal(turns.afterPiece(), null)
  await turns.afterPiece()
  t.ok(hasGoneOn)
  turns.end()
})
