import t from 'tap'
import { FairQueue, type Place } from '../../../gateway/dispatch/queue.js'
import { seededRandom } from '../../shared/seeded-random.js'

function emptied<T>(queue: FairQueue<T>): T[] {
  const items: T[] = []
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item)
  return items
}

function of(fairnessKey: string, weight = 1, priority = 0): Place {
  return { fairnessKey, weight, priority }
}

t.test('one principal is served first come, first served', (t) => {
  const queue = new FairQueue<number>()
  for (let item = 1; item <= 5; item++) queue.push(item, of('ann'))
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
    for (let count = 0; count < 1_000; count++) queue.push(`ann ${count}`, of('ann'))
    t.equal(queue.shift(), 'ann 0')
    queue.push('bob 0', of('bob'))
    const next = [queue.shift(), queue.shift()]
    t.ok(next.includes('bob 0'), next.join())
    t.end()
  },
)

t.test('principals take turns, in the order in which they came', (t) => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(item, of(item[0]!))
  t.same(emptied(queue), ['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  t.end()
})

t.test('one who comes back to an empty line waits for the others to have had their turn', (t) => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'b1', 'b2', 'c1']) queue.push(item, of(item[0]!))
  t.equal(queue.shift(), 'a1')
  queue.push('a2', of('a'))
  t.same(emptied(queue), ['b1', 'c1', 'a2', 'b2'])
  t.end()
})

t.test('what was removed is never served, wherever it waited', (t) => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'a2', 'a3', 'b1']) queue.push(item, of(item[0]!))
  t.ok(queue.remove('a2', of('a')))
  t.ok(queue.remove('b1', of('b')))
  t.notOk(queue.remove('a2', of('a')), 'once')
  t.notOk(queue.remove('a1', of('b')), 'not in this line')
  t.notOk(queue.remove('zzz', of('nobody')))
  t.equal(queue.length, 2)
  t.same(emptied(queue), ['a1', 'a3'])
  t.end()
})

t.test('a principal whose only call was removed leaves no turn behind', (t) => {
  const queue = new FairQueue<string>()
  queue.push('a1', of('a'))
  queue.push('b1', of('b'))
  queue.remove('a1', of('a'))
  queue.push('a2', of('a'))
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
      queue.push(item, of(item.principal))
      waiting.set(item.number, item)
    } else if (dice < 0.6 && waiting.size > 0) {
      const item = random.pick([...waiting.values()].slice(0, 10))
      if (!queue.remove(item, of(item.principal))) return t.fail('it was waiting')
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

t.test('a principal has as many calls a turn as its weight', (t) => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'a2', 'a3', 'a4', 'a5']) queue.push(item, of('a', 3))
  for (const item of ['b1', 'b2', 'b3']) queue.push(item, of('b'))
  t.same(emptied(queue), ['a1', 'a2', 'a3', 'b1', 'a4', 'a5', 'b2', 'b3'])
  t.end()
})

t.test('a higher priority leaves first, and is fair within', (t) => {
  const queue = new FairQueue<string>()
  queue.push('low', of('a', 1, -1))
  for (const item of ['a1', 'a2', 'b1']) queue.push(item, of(item[0]!))
  for (const item of ['A1', 'A2', 'B1']) queue.push(item, of(item[0]!, 1, 2))
  t.equal(queue.length, 7)
  t.same(emptied(queue), ['A1', 'B1', 'A2', 'a1', 'b1', 'a2', 'low'])
  t.end()
})

t.test('how many would go first is known before one waits', (t) => {
  const queue = new FairQueue<string>()
  t.equal(queue.lengthBefore(of('a')), 0)
  for (let count = 0; count < 1_000; count++) queue.push(`a${count}`, of('a'))
  t.equal(queue.lengthBefore(of('a')), 1_000, 'its own')
  t.equal(queue.lengthBefore(of('b')), 1, 'one turn of another')
  t.equal(queue.lengthBefore(of('b', 1, 1)), 0, 'none of a lower priority')
  t.equal(queue.lengthBefore(of('b', 1, -1)), 1_000, 'all of a higher one')
  queue.push('c', of('c', 5))
  t.equal(queue.lengthBefore(of('b')), 2)
  t.end()
})
