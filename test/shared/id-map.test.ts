import t from 'tap'
import { IdMap } from '../../shared/id-map.js'
import { seededRandom } from './seeded-random.js'

t.test('does what a Map does, whatever comes and goes', (t) => {
  const random = seededRandom(7)
  const ids = new IdMap<string>()
  const map = new Map<number, string>()
  let next = 0
  for (let step = 0; step < 60_000; step++) {
    // Waves of many and of few, some of which stay for long.
    const wanted = Math.floor(step / 10_000) % 2 === 0 ? 20 : 3_000
    if (map.size < wanted) {
      const id = next++
      ids.add(id, String(id))
      map.set(id, String(id))
    } else {
      // Of the old ones mostly, but the first few.
      const known = [...map.keys()].slice(0, 50)
      const id = known[random.int(Math.min(10, known.length - 1), known.length - 1)]!
      if (ids.delete(id) !== map.delete(id)) t.fail(`${id} was not there for both`)
      if (ids.has(id) || ids.get(id) !== undefined) t.fail(`${id} is still there`)
    }
    if (ids.size !== map.size) t.fail(`${ids.size} and ${map.size}`)
    const probe = random.int(Math.max(0, next - 5_000), next)
    if (ids.get(probe) !== map.get(probe) || ids.has(probe) !== map.has(probe)) t.fail(`${probe}`)
  }
  t.same(ids.keys().sort(byNumber), [...map.keys()].sort(byNumber))
  t.same(ids.values().sort(), [...map.values()].sort())
  t.end()
})

t.test('ids as large as they come', (t) => {
  const ids = new IdMap<string>()
  const large = [2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]
  for (const id of large) ids.add(id, String(id))
  for (const id of large) t.equal(ids.get(id), String(id))
  for (const id of large) t.ok(ids.delete(id))
  t.equal(ids.size, 0)
  t.end()
})

function byNumber(a: number, b: number): number {
  return a - b
}
