import t from 'tap'
import { EarlyCancels } from '../../runner/early-cancels.js'

t.test('a cancel is remembered for its own call only, and once', async (t) => {
  const cancels = new EarlyCancels()
  t.equal(cancels.take('a', 1), false)
  cancels.remember('a', 1)
  cancels.remember('a', 1)
  t.equal(cancels.take('a', 2), false)
  t.equal(cancels.take('b', 1), false)
  t.equal(cancels.take('a', 1), true)
  t.equal(cancels.take('a', 1), false)
})

t.test('ids that look alike are not mixed up', async (t) => {
  const cancels = new EarlyCancels()
  cancels.remember('a', 11)
  t.equal(cancels.take('a1', 1), false)
  t.equal(cancels.take('a', 11), true)
})

t.test('cancels for nothing are bounded: the oldest is forgotten', async (t) => {
  const cancels = new EarlyCancels()
  for (let id = 0; id <= 10_000; id++) cancels.remember('a', id)
  t.equal(cancels.take('a', 0), false)
  t.equal(cancels.take('a', 1), true)
  t.equal(cancels.take('a', 10_000), true)
})
