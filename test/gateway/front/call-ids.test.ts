import t from 'tap'
import { CallIds } from '../../../gateway/front/call-ids.js'

t.test('no id comes twice, within one gateway or of two', (t) => {
  const [one, other] = [new CallIds(), new CallIds()]
  const ids = new Set<string>()
  for (let index = 0; index < 100_000; index++) ids.add(one.next()).add(other.next())
  t.equal(ids.size, 200_000)
  for (const id of ids) if (!/^[\w-]+$/.test(id)) t.fail(id)
  t.end()
})
