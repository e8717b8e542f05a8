import t from 'tap'
import { Slots } from '../../runner/slots.js'

function slotsOf(size: number) {
  let changes = 0
  const slots = new Slots(size, () => changes++)
  return { slots, changes: () => changes }
}

t.test('there are as many holds as slots', async (t) => {
  const { slots } = slotsOf(2)
  t.equal(slots.free, 2)
  t.ok(slots.take())
  t.ok(slots.take())
  t.equal(slots.free, 0)
  t.equal(slots.take(), null)
  t.equal(slots.healthy, 2)
})

t.test('a hold gives its slot back once, however often it is told to', async (t) => {
  const { slots, changes } = slotsOf(1)
  const hold = slots.take()!
  hold.release()
  hold.release()
  t.equal(slots.free, 1)
  t.equal(changes(), 1)
  const next = slots.take()!
  hold.release()
  hold.poison()
  t.equal(slots.free, 0, 'an old hold has no power over the next')
  t.equal(slots.healthy, 1)
  next.release()
})

t.test('a poisoned slot is nobody’s until its call settles after all', async (t) => {
  const { slots, changes } = slotsOf(2)
  const hold = slots.take()!
  hold.poison()
  hold.poison()
  t.equal(changes(), 1)
  t.equal(slots.healthy, 1)
  t.equal(slots.free, 1)
  const other = slots.take()!
  t.equal(slots.take(), null)
  hold.release()
  t.equal(changes(), 2)
  t.equal(slots.healthy, 2)
  t.equal(slots.free, 1)
  hold.poison()
  t.equal(slots.healthy, 2, 'a hold that has been released cannot be poisoned')
  other.release()
  t.equal(slots.free, 2)
})

t.test('who is told of a change sees it done, and may take the slot', async (t) => {
  let taken = false
  const slots: Slots = new Slots(1, () => {
    taken = slots.take() !== null
  })
  slots.take()!.release()
  t.ok(taken)
  t.equal(slots.free, 0)
})
