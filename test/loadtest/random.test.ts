import { test } from 'tap'
import { Random } from '../../loadtest/random.js'

test('a seed repeats everything, another one does not', (t) => {
  const draw = (seed: number) => {
    const random = new Random(seed)
    return [random.between(0, 1e6), random.shuffled([1, 2, 3, 4, 5]), random.next()]
  }
  t.same(draw(7), draw(7))
  t.notSame(draw(7), draw(8))
  t.end()
})

test('numbers keep to their bounds and reach them', (t) => {
  const random = new Random(1)
  const seen = new Set(Array.from({ length: 1000 }, () => random.between(3, 6)))
  t.same([...seen].sort(), [3, 4, 5, 6])
  t.same(random.shuffled(['a', 'b', 'c']).sort(), ['a', 'b', 'c'])
  t.end()
})
