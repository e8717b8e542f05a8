// With real buckets: test/behaviour/lost-registry.

import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { RegistryGuard } from '../../shared/registry-guard.js'

const LONG_MS = 600_000

t.test('what fails is said once, and tried again until the change is seen', async (t) => {
  const events = new EventEmitter()
  let reconnected: (isConnected: boolean) => void = () => {}
  let identity: string | null = 'first'
  let failures = 0
  const said: string[] = []
  const guard = await RegistryGuard.start({
    bus: {
      isConnected: true,
      closed: new Promise(() => {}),
      onConnection: (listener) => {
        reconnected = listener
        return () => {}
      },
    },
    identity: async () => {
      if (failures > 0) {
        failures--
        throw new Error('not yet')
      }
      return identity
    },
    onReplaced: async () => void events.emit('replaced'),
    everyMs: LONG_MS,
    log: { error: (_: unknown, message: string) => void said.push(message) } as never,
  })
  t.teardown(() => guard.close())
  identity = 'second'
  failures = 2
  const replaced = once(events, 'replaced')
  // Its own timers keep no process.
  const alive = setInterval(() => {}, LONG_MS)
  t.teardown(() => clearInterval(alive))
  reconnected(true)
  await new Promise(setImmediate)
  reconnected(true)
  await replaced
  t.equal(failures, 0, 'both looks that fail were taken')
  t.equal(said.length, 1)
})
