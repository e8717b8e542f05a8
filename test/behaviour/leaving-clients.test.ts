// Clients that leave at any moment leave nothing behind: no call in flight, no slot taken, and every call
// that was started is accounted for.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { seededRandom } from '../shared/seeded-random.js'
import { System } from '../support/system.js'

const CALLS = 2_000
const AT_A_TIME = 100
const MAX_SLEEP_MS = 30
const MAX_STAY_MS = 40

const system = await System.start(t, { gateway: { maxQueued: 10_000 } })
await system.serveExamples('sleep', 'tokens')

t.test(`${CALLS} calls whose client leaves at a random moment`, async (t) => {
  const authorization = await system.authorization()
  await system.post('/sleep', { ms: 0 })
  const before = (await system.state('sleep')).counters
  const random = seededRandom(20_260_301)
  let left = CALLS
  const client = async () => {
    while (left-- > 0) {
      const body = JSON.stringify({ ms: random.int(0, MAX_SLEEP_MS) })
      const request = `POST /sleep HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      const socket = await system.connect()
      // Some leave before the whole request has been sent, some as soon as they were answered.
      const cut = random.next() < 0.1 ? random.int(1, request.length) : request.length
      await socket.write(request.slice(0, cut))
      if (cut === request.length && random.next() < 0.25) await socket.answer()
      else await delay(random.int(0, MAX_STAY_MS))
      socket.leave()
      await socket.closed
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, client))
  await system.atRest('sleep')
  const { counters, slots, freeSlots } = await system.state('sleep')
  t.equal(freeSlots, slots)
  const { started, succeeded, failed, cancelled, timedOut } = counters
  t.equal(started, succeeded + failed + cancelled + timedOut)
  t.equal(failed, 0)
  t.equal(timedOut, 0)
  t.ok(cancelled - before.cancelled > CALLS / 10, `${cancelled} cancelled`)
  t.ok(succeeded - before.succeeded > CALLS / 10, `${succeeded} succeeded`)
  t.ok(started - before.started <= CALLS)
})

t.test('and streams whose client leaves between any two tokens', async (t) => {
  const authorization = await system.authorization()
  const random = seededRandom(7)
  const body = JSON.stringify({ count: 20, intervalMs: 1 })
  const client = async () => {
    for (let call = 0; call < 10; call++) {
      const socket = await system.connect()
      await socket.write(
        `POST /tokens HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      await socket.head()
      // Tokens that come at once may be one chunk.
      let tokens = random.int(0, 20)
      while (tokens > 0) {
        const chunk = await socket.chunk()
        if (chunk === null || chunk === undefined) break
        tokens -= chunk.toString().split('data:').length - 1
      }
      socket.leave()
      await socket.closed
    }
  }
  await Promise.all(Array.from({ length: 30 }, client))
  await system.atRest('tokens')
  const { started, succeeded, failed, cancelled } = (await system.state('tokens')).counters
  t.equal(started, 300)
  t.equal(started, succeeded + failed + cancelled)
  t.equal(failed, 0)
})
