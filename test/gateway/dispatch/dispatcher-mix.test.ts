// Everything at once, from a seed: what was counted must add up, and nothing may be left behind.

import t from 'tap'
import { FRAME, type Frame } from '../../../shared/frame.js'
import { type Random, seededRandom } from '../../shared/seeded-random.js'
import { until } from '../../shared/test-bus.js'
import type { ScriptedRunner } from '../../support/scripted-runner.js'
import { type Call, CREDIT_BYTES, startDispatcher } from './test-dispatcher.js'

const CALLS = 2_000
const MAX_QUEUED = 150
/** The next calls wait until so few do: a burst may be too much for the queue, not all that follow. */
const FEW_QUEUED = 120

for (const seed of [1, 2, 3]) {
  t.test(`${CALLS} calls, cancelled at random, add up (seed ${seed})`, async (t) => {
    const random = seededRandom(seed)
    const { call, runner, dispatcher, settled } = await startDispatcher(t, {
      maxQueued: MAX_QUEUED,
      queueWaitMs: 600_000,
    })
    const runners: ScriptedRunner[] = []
    const actors: Actor[] = []
    for (const slots of [1, 4, 16, 64]) {
      const scripted = await runner({ slots })
      runners.push(scripted)
      actors.push(new Actor(scripted, slots, seededRandom(seed * 100 + slots)))
    }

    // On a slow machine this takes longer than a runner may be silent.
    const announcing = setInterval(() => {
      for (const scripted of runners) void scripted.announce()
    }, 500)
    t.teardown(() => clearInterval(announcing))

    const calls: Call[] = []
    const cancelled = new Set<Call>()
    while (calls.length < CALLS) {
      for (let burst = random.int(1, 40); burst > 0 && calls.length < CALLS; burst--) {
        const body = random.next() < 0.3 ? random.bytes(random.int(1, 200)) : null
        const hasMore = random.next() < 0.2
        const fairnessKey = random.pick(['a', 'b', 'c'])
        // Some time out: which ones is the only thing here that no seed decides.
        const timeoutMs = random.next() < 0.05 ? random.int(1, 30) : null
        const started = call({ fairnessKey, timeoutMs }, body, hasMore)
        if (hasMore) {
          started.invocation.write(random.bytes(random.int(0, 500)))
          started.invocation.end()
        }
        calls.push(started)
      }
      for (let count = random.int(0, 12); count > 0; count--) {
        // Among the last ones: of the earlier ones few are left where the machine is fast.
        const one = random.pick(calls.slice(-100))
        if (one.invocation.isOver) continue
        cancelled.add(one)
        one.answer.events.length = 0
        one.invocation.cancel()
      }
      await new Promise((resolve) => setImmediate(resolve))
      await until(() => dispatcher.status('echo').queued <= FEW_QUEUED)
    }
    await until(() => dispatcher.inFlight === 0)
    await settled(...runners)

    const { counters, queued } = dispatcher.status('echo')
    t.equal(queued, 0)
    t.equal(counters.inFlight, 0)
    t.equal(
      counters.started,
      counters.succeeded + counters.failed + counters.cancelled + counters.timedOut,
      'started = succeeded + failed + cancelled + timedOut',
    )
    t.equal(counters.started + counters.rejected, CALLS, 'every call is counted once')
    t.equal(counters.cancelled, cancelled.size)
    t.equal(dispatcher.budget.freeBytes, CREDIT_BYTES, 'every byte of credit is back')
    for (const { inFlight } of dispatcher.status('echo').runners) t.equal(inFlight, 0)
    for (const actor of actors) t.same(actor.faults, [])

    const heard = { succeeded: 0, errors: 0 }
    for (const one of calls) {
      const { events, late } = one.answer
      if (late.length > 0) t.fail(`heard after the end: ${late}`)
      if (one.invocation.state !== 'ended') t.fail(`left as ${one.invocation.state}`)
      if (cancelled.has(one)) {
        if (events.length > 0) t.fail(`a cancelled call heard ${events}`)
        continue
      }
      const last = events.at(-1)
      if (last === 'reply' || last === 'end') heard.succeeded++
      else if (last === 'error') heard.errors++
      else t.fail(`a call was left with ${events.join() || 'nothing'}`)
    }
    t.equal(heard.succeeded, counters.succeeded, 'what was counted is what was heard')
    t.equal(heard.errors, counters.failed + counters.timedOut + counters.rejected)
    t.ok(counters.succeeded > 500 && counters.cancelled > 50, JSON.stringify(counters))
  })
}

/** A runner that keeps the protocol and does everything that it allows, at random. */
class Actor {
  /** What its caller did that the protocol does not allow. */
  readonly faults: string[] = []
  readonly #runner: ScriptedRunner
  readonly #slots: number
  readonly #random: Random
  readonly #open = new Set<number>()
  #owesFree = false
  /** FREEs that were sent and not given up. */
  #frees = 0

  constructor(runner: ScriptedRunner, slots: number, random: Random) {
    this.#runner = runner
    this.#slots = slots
    this.#random = random
    runner.onFrame = ({ frame, caller }) => this.#onFrame(frame, caller)
  }

  #onFrame(frame: Frame, caller: string): void {
    if (frame[0] === FRAME.call) this.#onCall(frame[1], caller)
    else if (frame[0] === FRAME.cancel) {
      if (this.#open.has(frame[1])) this.#later(() => this.#settle(frame[1], caller))
    } else if (frame[0] === FRAME.free) {
      if (this.#frees-- === 0 || frame[1] !== 0) this.faults.push(`FREE ${frame[1]} for nothing`)
    } else if (frame[0] !== FRAME.body && frame[0] !== FRAME.end && frame[0] !== FRAME.credit) {
      this.faults.push(`a frame of type ${frame[0]}`)
    }
  }

  #onCall(id: number, caller: string): void {
    if (this.#open.has(id)) this.faults.push(`the id ${id} twice`)
    if (this.#open.size >= this.#slots) this.faults.push('more calls than slots')
    if (this.#random.next() < 0.1) {
      this.#owesFree = true
      void this.#runner.send(caller, [FRAME.busy, id])
      this.#later(() => this.#free(caller))
      return
    }
    this.#open.add(id)
    const dice = this.#random.next()
    if (dice < 0.5)
      this.#later(() => this.#end(id, caller, [FRAME.reply, id, 200, [], Buffer.from('x')]))
    else if (dice < 0.8) {
      void this.#runner.send(caller, [FRAME.head, id, 200, []], [FRAME.body, id, Buffer.from('x')])
      this.#later(() => this.#end(id, caller, [FRAME.body, id, Buffer.from('y')], [FRAME.end, id]))
    } else if (dice < 0.95) this.#later(() => this.#settle(id, caller))
    // A slow one: it ends long after the others, or when it is cancelled.
    else setTimeout(() => this.#end(id, caller, [FRAME.reply, id, 200, [], Buffer.from('x')]), 50)
  }

  #settle(id: number, caller: string): void {
    this.#end(id, caller, [FRAME.error, id, 'function_failed', 'It failed.', null, null])
  }

  #end(id: number, caller: string, ...frames: Frame[]): void {
    if (this.#open.delete(id)) void this.#runner.send(caller, ...frames)
  }

  #free(caller: string): void {
    if (!this.#owesFree) return
    this.#owesFree = false
    this.#frees++
    void this.#runner.send(caller, [FRAME.free, this.#slots - this.#open.size])
  }

  #later(act: () => void): void {
    let turns = this.#random.int(0, 5)
    const wait = () => {
      if (turns-- > 0) setImmediate(wait)
      else act()
    }
    wait()
  }
}
