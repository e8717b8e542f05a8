import t from 'tap'
import { Isolation } from '../../../gateway/dispatch/isolation.js'

const SECOND_MS = 1_000

t.test('one fault isolates for half a minute', (t) => {
  const isolation = new Isolation()
  t.equal(isolation.reason, null)
  t.ok(isolation.add('rubbish', 0))
  t.equal(isolation.reason, 'rubbish')
  t.notOk(isolation.endIfOver(30 * SECOND_MS - 1))
  t.ok(isolation.endIfOver(30 * SECOND_MS))
  t.equal(isolation.reason, null)
  t.notOk(isolation.endIfOver(31 * SECOND_MS), 'it ends once')
  t.end()
})

t.test('one that goes on stays isolated, and nobody is told again', (t) => {
  const isolation = new Isolation()
  isolation.add('rubbish', 0)
  t.notOk(isolation.add('more rubbish', 20 * SECOND_MS))
  t.equal(isolation.reason, 'rubbish')
  t.notOk(isolation.endIfOver(49 * SECOND_MS))
  t.ok(isolation.endIfOver(50 * SECOND_MS))
  t.end()
})

t.test('each time again lasts twice as long, up to ten minutes', (t) => {
  const isolation = new Isolation()
  let nowMs = 0
  const lengths: number[] = []
  for (let round = 0; round < 7; round++) {
    t.ok(isolation.add('rubbish', nowMs))
    lengths.push(isolation.lengthMs / SECOND_MS)
    nowMs += isolation.lengthMs
    t.ok(isolation.endIfOver(nowMs))
    nowMs += SECOND_MS
  }
  t.same(lengths, [30, 60, 120, 240, 480, 600, 600])
  t.end()
})

t.test('what was ten minutes ago is forgiven', (t) => {
  const isolation = new Isolation()
  isolation.add('rubbish', 0)
  isolation.endIfOver(30 * SECOND_MS)
  isolation.add('rubbish', 630 * SECOND_MS)
  t.equal(isolation.lengthMs, 30 * SECOND_MS)
  t.end()
})
