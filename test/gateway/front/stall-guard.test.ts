import { mock } from 'node:test'
import t from 'tap'
import { StallGuard } from '../../../gateway/front/stall-guard.js'

/** Less than the eight seconds after which the engine may cut a connection that should have ten. */
const SAFE_MS = 7_000

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }))
t.afterEach(() => mock.timers.reset())

class Call {
  kept = 0

  keepAlive(): void {
    this.kept++
  }
}

t.test('a call under way is kept alive in time, again and again', async (t) => {
  const guard = new StallGuard()
  const call = new Call()
  guard.add(call)
  for (let round = 1; round <= 5; round++) {
    const before = call.kept
    mock.timers.tick(SAFE_MS)
    t.ok(call.kept > before)
  }
})

t.test('so is one that comes just before the next round', async (t) => {
  const guard = new StallGuard()
  guard.add(new Call())
  for (let ms = 0; ms < SAFE_MS; ms += 500) {
    const late = new Call()
    guard.add(late)
    mock.timers.tick(SAFE_MS)
    t.ok(late.kept > 0)
    guard.delete(late)
    mock.timers.tick(500)
  }
})

t.test('one that is over is left alone', async (t) => {
  const guard = new StallGuard()
  const [one, other] = [new Call(), new Call()]
  guard.add(one)
  guard.add(other)
  guard.delete(one)
  guard.delete(one)
  mock.timers.tick(SAFE_MS)
  t.equal(one.kept, 0)
  t.ok(other.kept > 0)
})

t.test('a call that ends while it is kept alive disturbs no other', async (t) => {
  const guard = new StallGuard()
  const calls = Array.from({ length: 5 }, () => new Call())
  const leaving = { keepAlive: () => guard.delete(leaving) }
  for (const call of calls.slice(0, 2)) guard.add(call)
  guard.add(leaving)
  for (const call of calls.slice(2)) guard.add(call)
  mock.timers.tick(SAFE_MS)
  t.ok(calls.every(({ kept }) => kept > 0))
})

t.test('a call that is added twice is kept alive once a round', async (t) => {
  const guard = new StallGuard()
  const call = new Call()
  guard.add(call)
  guard.add(call)
  mock.timers.tick(4_000)
  t.equal(call.kept, 1)
})

t.test('with no call there is no timer, and the next one starts it anew', async (t) => {
  const guard = new StallGuard()
  const call = new Call()
  guard.add(call)
  guard.delete(call)
  mock.timers.tick(SAFE_MS)
  t.equal(call.kept, 0)
  guard.add(call)
  mock.timers.tick(SAFE_MS)
  t.ok(call.kept > 0)
})

t.test('closed, it keeps nothing alive', async (t) => {
  const guard = new StallGuard()
  const call = new Call()
  guard.add(call)
  guard.close()
  mock.timers.tick(SAFE_MS)
  t.equal(call.kept, 0)
})
