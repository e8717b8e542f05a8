import t from 'tap'
import { Pulse, TICK_MS } from '../../runner/fleet/pulse.js'

/** A clock that both sides of a test turn by hand. */
class Ticks {
  readonly pulse = new Pulse(0)
  #nowMs = 0

  /** Ticks until it is stuck, this many times at most; how many it took. */
  until(most: number): number | null {
    for (let tick = 1; tick <= most; tick++) {
      this.#nowMs += TICK_MS
      if (this.pulse.isStuck(this.#nowMs)) return tick
    }
    return null
  }

  pass(ms: number): void {
    this.#nowMs += ms
  }
}

t.test('silence is too long when no call may take so long, and ten seconds more', (t) => {
  const ticks = new Ticks()
  ticks.pulse.beat(30_000)
  t.equal(ticks.until(40), null)
  t.equal(ticks.until(1), 1)
  t.equal(ticks.pulse.silentMs, 41_000)
  t.end()
})

t.test('whoever beats is not stuck, however long it lives', (t) => {
  const ticks = new Ticks()
  for (let beat = 0; beat < 100; beat++) {
    ticks.pulse.beat(100)
    t.equal(ticks.until(9), null)
  }
  t.end()
})

t.test('where a call may take for ever, nobody is stuck', (t) => {
  const ticks = new Ticks()
  t.equal(ticks.until(1_000), null, 'nor who has never beaten')
  ticks.pulse.beat(null)
  t.equal(ticks.until(1_000), null)
  t.end()
})

t.test('time in which this process was stopped is no silence of the runner', (t) => {
  const ticks = new Ticks()
  ticks.pulse.beat(100)
  for (let nap = 0; nap < 4; nap++) {
    ticks.pass(3_600_000)
    t.equal(ticks.until(1), null)
  }
  ticks.pulse.beat(100)
  t.equal(ticks.until(10), null)
  t.equal(ticks.until(1), 1)
  t.end()
})
