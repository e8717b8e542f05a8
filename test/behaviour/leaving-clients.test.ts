// Clients that leave at any moment leave nothing behind: no call in flight, no slot taken, and every call
// that was started is accounted for.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { seededRandom } from '../shared/seeded-random.js'
import { signalled } from '../support/scripted-socket.js'
import { System } from '../support/system.js'

const CALLS = 2_000
const AT_A_TIME = 100
const MAX_WORK_MS = 30
const MAX_STAY_MS = 40

const system = await System.start(t, { gateway: { maxQueued: 10_000, queueWaitMs: 600_000 } })
await system.serveExamples('tokens')

/** By the number in their input: told when their call has begun. */
const begun = new Map<number, () => void>()
await system.serve(
  defineFunction({
    name: 'work',
    maxInputs: 16,
    run: async (input, { signal }) => {
      // Without `ms` it works until it is told to stop.
      const { number, ms } = input as { number: number; ms: number | null }
      begun.get(number)?.()
      await delay(ms ?? 600_000, undefined, { signal })
    },
  }),
)

t.test(`${CALLS} calls whose client leaves at a random moment`, async (t) => {
  const authorization = await system.authorization()
  const random = seededRandom(20_260_301)
  let calls = 0
  const left = { inTheRequest: 0, whenever: 0, afterTheStart: 0, afterTheAnswer: 0 }
  const kinds = Object.keys(left) as (keyof typeof left)[]
  const client = async () => {
    while (calls < CALLS) {
      const number = calls++
      const kind = random.pick(kinds)
      left[kind]++
      const ms = kind === 'afterTheStart' ? null : random.int(0, MAX_WORK_MS)
      const body = JSON.stringify({ number, ms })
      const request = `POST /work HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      const stayMs = random.int(0, MAX_STAY_MS)
      const cut = random.int(1, request.length - 1)
      const started = signalled()
      begun.set(number, () => started.go())
      const socket = await system.connect()
      await socket.write(kind === 'inTheRequest' ? request.slice(0, cut) : request)
      if (kind === 'afterTheStart') await started.promise
      else if (kind === 'afterTheAnswer') await socket.answer()
      else await delay(stayMs)
      socket.leave()
      await socket.closed
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, client))
  await system.atRest('work')
  const { counters, slots, freeSlots } = await system.state('work')
  t.equal(freeSlots, slots)
  const { started, succeeded, failed, cancelled, timedOut } = counters
  t.equal(started, succeeded + failed + cancelled + timedOut)
  t.equal(failed, 0)
  t.equal(timedOut, 0)
  const { inTheRequest, whenever, afterTheStart, afterTheAnswer } = left
  t.ok(cancelled >= afterTheStart, `${cancelled} of at least ${afterTheStart} were cancelled`)
  t.ok(succeeded >= afterTheAnswer, `${succeeded} of at least ${afterTheAnswer} succeeded`)
  t.ok(cancelled + succeeded <= CALLS - inTheRequest, `of ${whenever} nobody knows`)
  t.ok(Math.min(...Object.values(left)) > CALLS / 5, JSON.stringify(left))
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
