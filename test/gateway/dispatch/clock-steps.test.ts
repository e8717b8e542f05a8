// The clock of the day is set, by hand or by NTP: nobody has become older by it. Runners were forgotten and
// calls refused, and who was isolated stayed so, or did not.

import t, { type Test } from 'tap'
import { until } from '../../shared/test-bus.js'
import { knows, startDispatcher, statusOf } from './test-dispatcher.js'

const HOUR_MS = 3_600_000

/** Sets the clock of the day, until the test ends. */
function stepClock(t: Test, ms: number): void {
  const { now } = Date
  Date.now = () => now() + ms
  t.teardown(() => {
    Date.now = now
  })
}

t.test('a clock that is set forward makes nobody forgotten, late or trusted', async (t) => {
  const { call, runner, dispatcher } = await startDispatcher(t)
  const busy = await runner({ functionName: 'busy' })
  call({ functionName: 'busy' })
  await until(() => statusOf(dispatcher, busy)?.inFlight === 1)
  const idle = await runner()
  const bad = await runner()
  await bad.sendBytes(dispatcher.callerId, Buffer.from('c1'))
  await until(() => statusOf(dispatcher, bad)?.state === 'isolated')
  const loading = await runner({ functionName: 'loads', isAnnounced: false })
  await loading.announce({ state: 'loading', slots: 0, loadTimeoutMs: 600_000 })
  await knows(dispatcher, loading)
  const waiting = call({ functionName: 'loads' })

  stepClock(t, HOUR_MS)
  // Who has calls is asked with every look at the fleet: two of them have been at all.
  const { pings } = busy
  await until(() => busy.pings >= pings + 2)
  t.ok(statusOf(dispatcher, idle), 'it is not forgotten')
  t.equal(statusOf(dispatcher, bad)?.state, 'isolated')
  t.equal(waiting.invocation.state, 'queued', 'its runner may still load')
})

t.test('one that is set back hides no silent runner', async (t) => {
  const { runner, dispatcher } = await startDispatcher(t)
  const silent = await runner()
  stepClock(t, -HOUR_MS)
  await until(() => statusOf(dispatcher, silent)?.state === 'silent')
})
