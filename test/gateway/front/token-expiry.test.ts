// A token expires by the clock of the day, wherever that is set meanwhile.

import t from 'tap'
import { onTokenExpiry } from '../../../gateway/front/token-expiry.js'

/** The clock of the day, and how often it was looked at. */
class Day {
  nowMs = 1_000_000
  looks = 0
  readonly #waiting: { looks: number; resolve: () => void }[] = []

  readonly now = () => {
    this.looks++
    for (const { looks, resolve } of this.#waiting) if (this.looks >= looks) resolve()
    return this.nowMs
  }

  /** Resolves when it has been looked at so many times more. */
  seen(times: number): Promise<void> {
    const looks = this.looks + times
    return new Promise((resolve) => {
      this.#waiting.push({ looks, resolve })
    })
  }
}

t.test('a clock that is set forward ends what has expired by it', async (t) => {
  const day = new Day()
  const expired = new Promise<void>((resolve) => {
    onTokenExpiry(day.nowMs + 3_600_000, resolve, { now: day.now, lookMs: 5 })
  })
  await day.seen(4)
  day.nowMs += 3_600_000
  await expired
  t.pass()
})

t.test('one that is set back lets it live until then', async (t) => {
  const day = new Day()
  let hasExpired = false
  let onExpired = () => {}
  const expired = new Promise<void>((resolve) => {
    onExpired = () => {
      hasExpired = true
      resolve()
    }
  })
  onTokenExpiry(day.nowMs + 5, onExpired, { now: day.now, lookMs: 5 })
  day.nowMs -= 3_600_000
  await day.seen(6)
  t.equal(hasExpired, false)
  day.nowMs += 3_600_005
  await expired
})

t.test('what is taken back is not looked at any more', async (t) => {
  const day = new Day()
  const stop = onTokenExpiry(day.nowMs, () => t.fail('expired'), { now: day.now, lookMs: 5 })
  const other = new Promise<void>((resolve) => {
    onTokenExpiry(day.nowMs, resolve, { now: day.now, lookMs: 5 })
  })
  stop()
  await other
})
