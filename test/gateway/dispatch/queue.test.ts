import t from 'tap'
import { FairQueue } from '../../../gateway/dispatch/queue.js'
import { seededRandom } from '../../shared/seeded-random.js'

function emptied<T>(queue: FairQueue<T>): T[] {
  const items: T[] = []
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item)
  return items
}

t.test('one principal is served first come, first served', (t) => {
  const queue = new FairQueue<number>()
  for (let item = 1; item <= 5; item++) queue.push(item, 'ann')
  t.equal(queue.length, 5)
  t.same(emptied(queue), [1, 2, 3, 4, 5])
  t.equal(queue.length, 0)
  t.equal(queue.shift(), undefined)
  t.end()
})

t.test(
  'a thousand waiting calls of one principal delay the first of another by one at most',
  (t) => {
    const queue = new FairQueue<string>()
    for (let count = 0; count < 1_000; count++) queue.push(`ann ${count}`, 'ann')
    t.equal(queue.shift(), 'ann 0')
    queue.push('bob 0', 'bob')
    const next = [queue.shift(), queue.shift()]
    t.ok(next.includes('bob 0'), next.join())
    t.end()
  },
)

t.test('principals take turns, in the order in which they came', (t) => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(item, item[0]!)
  t.same(emptied(queue), ['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  t.end()
})

t.test('one who comes back to an empty line waits for the others to have had their turn', (t) => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'b1', 'b2', 'c1']) queue.push(item, item[0]!)
  t.equal(queue.shift(), 'a1')
  queue.push('a2', 'a')
  t.same(emptied(queue), ['b1', 'c1', 'a2', 'b2'])
  t.end()
})

t.test('what was pushed back goes before everybody, in the order in which it came back', (t) => {
  const queue = new FairQueue<string>()
  queue.push('a1', 'a')
  queue.push('b1', 'b')
  queue.pushBack('x')
  queue.pushBack('y')
  t.equal(queue.length, 4)
  t.same(emptied(queue), ['x', 'y', 'a1', 'b1'])
  t.end()
})

t.test('what was removed is never served, wherever it waited', (t) => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'a2', 'a3', 'b1']) queue.push(item, item[0]!)
  queue.pushBack('a4')
  t.ok(queue.remove('a2', 'a'))
  t.ok(queue.remove('b1', 'b'))
  t.ok(queue.remove('a4', 'a'), 'also one that came back')
  t.notOk(queue.remove('a2', 'a'), 'once')
  t.notOk(queue.remove('a1', 'b'), 'not in this line')
  t.notOk(queue.remove('zzz', 'nobody'))
  t.equal(queue.length, 2)
  t.same(emptied(queue), ['a1', 'a3'])
  t.end()
})

t.test('a principal whose only call was removed leaves no turn behind', (t) => {
  const queue = new FairQueue<string>()
  queue.push('a1', 'a')
  queue.push('b1', 'b')
  queue.remove('a1', 'a')
  queue.push('a2', 'a')
  t.same(emptied(queue), ['b1', 'a2'])
  t.end()
})

t.test('whatever the order of pushes, removals and turns: nothing is lost or served twice', (t) => {
  const random = seededRandom(1)
  const queue = new FairQueue<{ principal: string; number: number }>()
  const waiting = new Map<number, { principal: string; number: number }>()
  const lastOf = new Map<string, number>()
  let number = 0
  for (let step = 0; step < 20_000; step++) {
    const dice = random.next()
    if (dice < 0.5) {
      const item = { principal: random.pick(['a', 'b', 'c', 'd']), number: number++ }
      queue.push(item, item.principal)
      waiting.set(item.number, item)
    } else if (dice < 0.6 && waiting.size > 0) {
      const item = random.pick([...waiting.values()].slice(0, 10))
      if (!queue.remove(item, item.principal)) return t.fail('it was waiting')
      waiting.delete(item.number)
    } else {
      const item = queue.shift()
      if (item === undefined) {
        if (waiting.size > 0) return t.fail('somebody is waiting')
        continue
      }
      if (!waiting.delete(item.number)) return t.fail('it was not waiting')
      if (item.number < (lastOf.get(item.principal) ?? -1)) return t.fail('out of its own order')
      lastOf.set(item.principal, item.number)
    }
    if (queue.length !== waiting.size) return t.fail(`${queue.length} is not ${waiting.size}`)
  }
  t.end()
})
