import t from 'tap'
import {
  hashOf,
  pickByAffinity,
  pickRunner,
  type RunnerLoad,
} from '../../../gateway/dispatch/pick-runner.js'
import { seededRandom } from '../../shared/seeded-random.js'

function runner(slots: number, inFlight = 0, othersBusy = 0, isEligible = true): RunnerLoad {
  return { slots, inFlight, othersBusy, isEligible, idHash: 0 }
}

t.test('nobody is chosen where nobody can be', (t) => {
  t.equal(pickRunner([], 0), undefined)
  t.equal(pickRunner([runner(1, 1)], 0), undefined, 'no free slot')
  t.equal(pickRunner([runner(0)], 0), undefined, 'no slots at all')
  t.equal(pickRunner([runner(1, 2)], 0), undefined, 'fewer slots than it once had')
  t.equal(pickRunner([runner(4, 0, 0, false)], 0), undefined, 'not eligible')
  t.end()
})

t.test('the least loaded one is chosen, in parts of its slots', (t) => {
  const small = runner(2, 1)
  const large = runner(8, 2)
  for (const runners of [
    [small, large],
    [large, small],
  ]) {
    for (let offset = 0; offset < 4; offset++) t.equal(pickRunner(runners, offset), large)
  }
  t.end()
})

t.test('what others keep busy ranks the runners', (t) => {
  const shared = runner(4, 0, 3)
  const idle = runner(4, 1, 0)
  for (let offset = 0; offset < 4; offset++) t.equal(pickRunner([shared, idle], offset), idle)
  t.end()
})

t.test('a runner that others fill is still tried: what they keep busy is old news', (t) => {
  const full = runner(2, 0, 2)
  t.equal(pickRunner([full], 0), full)
  const overfull = runner(2, 1, 5)
  t.equal(pickRunner([overfull], 0), overfull)
  t.equal(pickRunner([overfull, full], 0), full)
  t.end()
})

t.test('equally loaded runners take turns', (t) => {
  const runners = [runner(2), runner(2), runner(2)]
  const turns = Array.from({ length: 9 }, (_, offset) =>
    runners.indexOf(pickRunner(runners, offset) as RunnerLoad),
  )
  t.same(turns, [0, 1, 2, 0, 1, 2, 0, 1, 2])
  t.end()
})

t.test('a caller that has run for years still chooses', (t) => {
  const runners = [runner(1), runner(1)]
  t.ok(runners.includes(pickRunner(runners, Number.MAX_SAFE_INTEGER)!))
  t.end()
})

t.test('whatever the loads, no better one is passed over', (t) => {
  const random = seededRandom(1)
  for (let round = 0; round < 5_000; round++) {
    const runners = Array.from({ length: random.int(0, 8) }, () =>
      runner(random.int(0, 4), random.int(0, 4), random.int(0, 4), random.next() < 0.7),
    )
    const chosen = pickRunner(runners, random.int(0, 100))
    const possible = runners.filter((one) => one.isEligible && one.inFlight < one.slots)
    if (chosen === undefined) {
      if (possible.length > 0) return t.fail('somebody could have been chosen')
      continue
    }
    const least = Math.min(...possible.map(loadOf))
    if (!possible.includes(chosen) || loadOf(chosen) !== least)
      return t.fail(JSON.stringify(runners))
  }
  t.end()
})

function loadOf(one: RunnerLoad): number {
  return (one.inFlight + one.othersBusy) / one.slots
}

t.test('a runner that had the call already is left out', (t) => {
  const first = runner(4)
  const second = runner(4, 3)
  t.equal(pickRunner([first, second], 0, [first]), second)
  t.equal(pickRunner([first, second], 0, [first, second]), undefined)
  t.equal(pickByAffinity([first, second], 7, [first]), second)
  t.end()
})

const NAMED = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ ...runner(2), id, idHash: hashOf(id) }))

function keys(count: number): number[] {
  return Array.from({ length: count }, (_, key) => hashOf(`session ${key}`))
}

t.test('a key has one runner, and the keys are spread over all of them', (t) => {
  const counts = new Map<string, number>()
  for (const key of keys(5_000)) {
    const { id } = pickByAffinity(NAMED, key)!
    if (pickByAffinity([...NAMED].reverse(), key)!.id !== id) return t.fail('the order counts')
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  for (const [id, count] of counts) t.ok(Math.abs(count - 1_000) < 200, `${id} has ${count}`)
  t.equal(counts.size, 5)
  t.end()
})

t.test('when a runner goes only its own keys move', (t) => {
  const rest = NAMED.filter(({ id }) => id !== 'c')
  for (const key of keys(1_000)) {
    const before = pickByAffinity(NAMED, key)!.id
    const now = pickByAffinity(rest, key)!.id
    if (before !== 'c' && now !== before) return t.fail('a key has moved')
  }
  t.end()
})

t.test('a runner without a free slot leaves the key to the next one for it', (t) => {
  const key = hashOf('session')
  const first = pickByAffinity(NAMED, key)!
  const full = NAMED.map((named) => (named === first ? { ...named, inFlight: 2 } : named))
  const second = pickByAffinity(full, key)!
  t.not(second.id, first.id)
  t.equal(pickByAffinity(full, key)?.id, second.id)
  t.end()
})
