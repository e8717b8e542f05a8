// Two gateways want more of one runner than it has: each gets its share. Whoever was just answered is always
// quicker with its next call than one that waits, and had all slots for as long as it had calls.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { FRAME } from '../../shared/frame.js'
import { startTestNats } from '../support/nats.js'
import { plainCall, startScriptedCaller } from '../support/scripted-caller.js'
import { System } from '../support/system.js'

const SLOTS = 4
/** Of each gateway: more than there are slots. */
const AT_ONCE = 12
const CALLS = 60

const nats = await startTestNats(t)
const first = await System.start(t, { nats })
const second = await System.start(t, { nats })

await first.serve(
  defineFunction({
    name: 'work',
    auth: 'public',
    maxInputs: SLOTS,
    run: async () => {
      await delay(10)
      return 'done'
    },
  }),
)
await second.until('work', ({ freeSlots }) => freeSlots === SLOTS)

/** Calls without a pause, until it is told to stop. */
class Flood {
  answered = 0
  readonly events = new EventTarget()
  #isStopped = false
  readonly #callers: Promise<void>[]

  constructor(system: System) {
    this.#callers = Array.from({ length: AT_ONCE }, async () => {
      while (!this.#isStopped) {
        const response = await system.post('/work', 1)
        if ((await response.text()) !== 'done') throw new Error(`It was ${response.status}.`)
        this.answered++
        this.events.dispatchEvent(new Event('answer'))
      }
    })
  }

  async until(answers: number): Promise<void> {
    while (this.answered < answers) await once(this.events, 'answer')
  }

  stop(): Promise<void[]> {
    this.#isStopped = true
    return Promise.all(this.#callers)
  }
}

t.test('one that comes later has its share', async (t) => {
  const early = new Flood(first)
  await early.until(CALLS)
  const late = new Flood(second)
  const before = early.answered
  await late.until(CALLS)
  const others = early.answered - before
  t.ok(
    others < 4 * CALLS,
    `${others} answers to the one that was there before, ${CALLS} to the other`,
  )
  await Promise.all([early.stop(), late.stop()])
  await first.atRest('work')
})

t.test('alone again, it has all of them', async (t) => {
  const alone = new Flood(first)
  await first.until('work', ({ freeSlots }) => freeSlots === 0)
  await alone.until(CALLS)
  await alone.stop()
  t.match((await first.state('work')).counters, { failed: 0, rejected: 0, inFlight: 0 })
})

t.test('a slot that becomes free is kept for the one that was told BUSY', async (t) => {
  let finish = () => {}
  const runner = await first.serve(
    defineFunction({
      name: 'single',
      run: () =>
        new Promise((resolve) => {
          finish = () => resolve('done')
        }),
    }),
  )
  const { runnerId } = runner
  const quick = await startScriptedCaller(t, nats.url)
  const patient = await startScriptedCaller(t, nats.url)
  await quick.send(runnerId, plainCall(1))
  await patient.send(runnerId, plainCall(1))
  t.same(await patient.next(), [FRAME.busy, 1])
  finish()
  t.match(await quick.next(), [FRAME.reply, 1, 200])
  // On the way before the other one has heard that there is room, and before its call.
  await quick.send(runnerId, plainCall(2))
  t.same(await patient.next(), [FRAME.free, 1])
  t.same(await quick.next(), [FRAME.busy, 2])
  await patient.send(runnerId, [FRAME.free, 0])
  t.same(await quick.next(), [FRAME.free, 1], 'what is not needed is the next one’s')
  await quick.send(runnerId, plainCall(3))
  await patient.send(runnerId, plainCall(2))
  t.same(await patient.next(), [FRAME.busy, 2])
  finish()
  t.match(await quick.next(), [FRAME.reply, 3, 200])
})
