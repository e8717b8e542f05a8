import t from 'tap'
import { WaitingCallers } from '../../runner/waiting-callers.js'

interface Told {
  readonly caller: string
  readonly slots: number
}

function start(...callers: string[]) {
  let givenUp = 0
  let onGivenUp = () => {}
  const waiting = new WaitingCallers<string>(() => {
    givenUp++
    onGivenUp()
  })
  for (const caller of callers) waiting.add(caller)
  const share = (freeSlots: number): Told[] => {
    const told: Told[] = []
    waiting.share(freeSlots, (caller, slots) => told.push({ caller, slots }))
    return told
  }
  const untilGivenUp = () =>
    new Promise<void>((resolve) => {
      onGivenUp = resolve
    })
  t.teardown(() => waiting.clear())
  return { waiting, share, untilGivenUp, givenUp: () => givenUp }
}

t.test('one slot is kept for the first one, the next for the next', async (t) => {
  const { waiting, share } = start('a', 'b')
  t.same(share(1), [{ caller: 'a', slots: 1 }])
  t.equal(waiting.keptSlots, 1)
  t.same(share(1), [], 'it is not free for another')
  t.notOk(waiting.take('b'))
  t.ok(waiting.take('a'))
  t.notOk(waiting.take('a'), 'once')
  t.equal(waiting.keptSlots, 0)
  waiting.add('a')
  t.same(share(1), [{ caller: 'b', slots: 1 }])
  t.same(share(2), [{ caller: 'a', slots: 1 }])
})

t.test('what is free is shared by all', async (t) => {
  const { waiting, share } = start('a', 'b', 'c')
  t.same(share(7), [
    { caller: 'a', slots: 3 },
    { caller: 'b', slots: 2 },
    { caller: 'c', slots: 2 },
  ])
  t.equal(waiting.keptSlots, 7)
  t.same(share(7), [], 'nobody waits')
})

t.test('what is not needed is free for others', async (t) => {
  const { waiting, share, givenUp } = start('a')
  share(2)
  t.ok(waiting.take('a'))
  waiting.giveUp('a')
  t.equal(givenUp(), 1)
  t.equal(waiting.keptSlots, 0)
  waiting.giveUp('a')
  waiting.giveUp('unknown')
  t.equal(givenUp(), 1, 'told once')
})

t.test('it is kept for a moment only', async (t) => {
  const { waiting, share, untilGivenUp } = start('a', 'b')
  share(1)
  await untilGivenUp()
  t.notOk(waiting.take('a'))
  t.same(share(1), [{ caller: 'b', slots: 1 }])
})

t.test('one that is gone waits no longer, and nothing is kept for it', async (t) => {
  const { waiting, share, givenUp } = start('a', 'b')
  share(1)
  waiting.delete('a')
  waiting.delete('b')
  t.equal(givenUp(), 1)
  t.equal(waiting.keptSlots, 0)
  t.same(share(1), [])
})
