import t from 'tap'
import { DrainRate } from '../../../gateway/dispatch/drain-rate.js'

t.test('nothing is said before the queue has been watched for some seconds', (t) => {
  const rate = new DrainRate()
  t.equal(rate.perSecond(0), null)
  rate.onWaiting(0)
  for (let ms = 0; ms < 2_900; ms += 100) rate.onServed(ms)
  t.equal(rate.perSecond(2_900), null)
  t.end()
})

t.test('a steady queue has its rate, however long it lasts', (t) => {
  const rate = new DrainRate()
  rate.onWaiting(500)
  for (let ms = 500; ms < 60_500; ms += 20) {
    rate.onServed(ms)
    const perSecond = rate.perSecond(ms)
    if (ms < 3_500) continue
    if (perSecond === null || Math.abs(perSecond - 50) > 1) {
      return t.fail(`${perSecond} at ${ms}`)
    }
  }
  t.end()
})

t.test('a queue that stands still has none: its slots may come back any moment', (t) => {
  const rate = new DrainRate()
  rate.onWaiting(0)
  for (let ms = 0; ms < 5_000; ms += 100) rate.onServed(ms)
  t.ok(rate.perSecond(5_000))
  t.equal(rate.perSecond(16_000), null)
  t.end()
})

t.test('a queue that was empty is watched anew', (t) => {
  const rate = new DrainRate()
  rate.onWaiting(0)
  for (let ms = 0; ms < 5_000; ms += 100) rate.onServed(ms)
  rate.onEmpty()
  t.equal(rate.perSecond(5_000), null)
  rate.onWaiting(5_000)
  t.equal(rate.perSecond(6_000), null)
  t.end()
})
