// With real buckets: test/behaviour/lost-registry.

import { EventEmitter, once } from 'node:events'
import t, { type Test } from 'tap'
import { RegistryGuard, type RegistryState } from '../../shared/registry-guard.js'

const LONG_MS = 600_000

interface Registry {
  state: RegistryState | null
  seen: number
  /** So many looks at it fail. */
  failures: number
}

async function guarded(t: Test, registry: Registry) {
  const events = new EventEmitter()
  let listener: (isConnected: boolean) => void = () => {}
  const said: string[] = []
  let looks = 0
  let replaced = 0
  const guard = await RegistryGuard.start({
    bus: {
      isConnected: true,
      closed: new Promise(() => {}),
      onConnection: (given) => {
        listener = given
        return () => {}
      },
    },
    look: async () => {
      looks++
      if (registry.failures > 0) {
        registry.failures--
        throw new Error('not yet')
      }
      return registry.state
    },
    seen: () => registry.seen,
    onReplaced: async () => {
      replaced++
      registry.seen = 0
      events.emit('replaced')
    },
    everyMs: LONG_MS,
    log: { error: (_: unknown, message: string) => void said.push(message) } as never,
  })
  t.teardown(() => guard.close())
  // Its own timers keep no process.
  const alive = setInterval(() => {}, LONG_MS)
  t.teardown(() => clearInterval(alive))
  return {
    said,
    reconnect: () => listener(true),
    nextReplaced: () => once(events, 'replaced'),
    looks: () => looks,
    replaced: () => replaced,
  }
}

t.test('what fails is said once, and tried again until the change is seen', async (t) => {
  const registry: Registry = { state: { madeAt: 'first', sequence: 1 }, seen: 0, failures: 0 }
  const guard = await guarded(t, registry)
  registry.state = { madeAt: 'second', sequence: 1 }
  registry.failures = 2
  const replaced = guard.nextReplaced()
  guard.reconnect()
  await new Promise(setImmediate)
  guard.reconnect()
  await replaced
  t.equal(registry.failures, 0, 'both looks that fail were taken')
  t.equal(guard.said.length, 1)
})

t.test('a registry that has gone back behind what was seen of it is another one', async (t) => {
  const registry: Registry = { state: { madeAt: 'first', sequence: 3 }, seen: 3, failures: 0 }
  const guard = await guarded(t, registry)
  const look = async () => {
    guard.reconnect()
    await new Promise(setImmediate)
  }
  registry.state = { madeAt: 'first', sequence: 9 }
  registry.seen = 7
  await look()
  t.equal(guard.replaced(), 0, 'writes that were not seen yet are none of that')
  registry.seen = 12
  registry.state = { madeAt: 'first', sequence: 11 }
  await look()
  t.equal(guard.replaced(), 1, 'behind a write that was seen')
  registry.state = { madeAt: 'first', sequence: 10 }
  await look()
  t.equal(guard.replaced(), 2, 'behind what was found the last time')
  await look()
  t.equal(guard.replaced(), 2)
  t.equal(guard.looks(), 7)
})
