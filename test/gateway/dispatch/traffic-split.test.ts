import t from 'tap'
import { TrafficSplit } from '../../../gateway/dispatch/traffic-split.js'
import { seededRandom } from '../../shared/seeded-random.js'

function counted(split: TrafficSplit, calls: number, versions: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let call = 0; call < calls; call++) {
    const version = split.pick(new Set(versions))!
    counts[version] = (counts[version] ?? 0) + 1
  }
  return counts
}

t.test('calls are shared out exactly, and evenly in time', (t) => {
  const split = new TrafficSplit({ main: 90, v2: 10 })
  for (let turn = 0; turn < 5; turn++) {
    t.same(counted(split, 10, ['main', 'v2']), { main: 9, v2: 1 })
  }
  t.end()
})

t.test('a version that cannot take calls leaves its share to the others', (t) => {
  const split = new TrafficSplit({ main: 50, v2: 50 })
  t.same(counted(split, 10, ['v2']), { v2: 10 })
  t.equal(split.pick(new Set()), undefined)
  t.end()
})

t.test('a version without a weight is never chosen', (t) => {
  const split = new TrafficSplit({ main: 100, v2: 0 })
  t.same(counted(split, 10, ['v3', 'v2', 'main']), { main: 10 })
  t.equal(split.pick(new Set(['v2', 'v3'])), undefined)
  t.equal(split.pickFor(7, new Set(['v2', 'v3'])), undefined)
  t.end()
})

t.test('a key stays with its version, and the keys are shared out by weight', (t) => {
  const split = new TrafficSplit({ main: 75, v2: 25 })
  const random = seededRandom(1)
  const versions = new Set(['v2', 'main'])
  let v2 = 0
  for (let count = 0; count < 4_000; count++) {
    const hash = Math.floor(random.next() * 2 ** 32)
    const version = split.pickFor(hash, versions)
    if (split.pickFor(hash, versions) !== version) return t.fail('it has moved')
    if (version === 'v2') v2++
  }
  t.ok(Math.abs(v2 - 1_000) < 150, String(v2))
  t.end()
})
