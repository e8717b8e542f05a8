import t from 'tap'
import { LiveList, type Place } from '../../shared/live-list.js'

t.test('items stand in the order in which they came, until they are taken out', (t) => {
  const list = new LiveList<string>()
  const [a, b, c] = ['a', 'b', 'c'].map((item) => list.add(item)) as [
    Place<string>,
    Place<string>,
    Place<string>,
  ]
  t.same(list.items(), ['a', 'b', 'c'])
  t.ok(list.delete(b))
  t.notOk(list.delete(b), 'once')
  t.same(list.items(), ['a', 'c'])
  t.ok(list.delete(a))
  t.equal(list.first, 'c')
  list.add('d')
  t.ok(list.delete(c))
  t.same([list.first, list.size], ['d', 1])
  t.end()
})

t.test('what is taken out refers to nothing any more', (t) => {
  const list = new LiveList<object>()
  const places = [{}, {}, {}].map((item) => list.add(item))
  for (const place of places) list.delete(place)
  t.same(
    places,
    [{}, {}, {}].map(() => ({ item: undefined, before: null, after: null })),
  )
  t.same([list.first, list.size, list.items()], [undefined, 0, []])
  t.end()
})
