import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Deadlines } from '../../shared/deadlines.js'

function limited(passed: string[], name: string, then: () => void = () => {}) {
  return {
    onDeadline(limitMs: number) {
      passed.push(`${name} ${limitMs}`)
      then()
    },
  }
}

t.test('limits pass in their order, whatever their length, never early', async (t) => {
  const deadlines = new Deadlines()
  const passed: string[] = []
  const startedMs = performance.now()
  await new Promise<void>((resolve) => {
    deadlines.set(limited(passed, 'late', resolve), 60)
    deadlines.set(limited(passed, 'first'), 20)
    deadlines.set(limited(passed, 'second'), 20)
  })
  t.same(passed, ['first 20', 'second 20', 'late 60'])
  t.ok(performance.now() - startedMs >= 60)
})

t.test('one that was taken back does not pass, the others do', async (t) => {
  const deadlines = new Deadlines()
  const passed: string[] = []
  await new Promise<void>((resolve) => {
    const gone = deadlines.set(limited(passed, 'gone'), 10)
    deadlines.set(limited(passed, 'kept', resolve), 10)
    gone.clear()
    gone.clear()
  })
  t.same(passed, ['kept 10'])
})

t.test('what is set while others pass has its full time', async (t) => {
  const deadlines = new Deadlines()
  const passed: string[] = []
  let setAtMs = 0
  await new Promise<void>((resolve) => {
    const again = limited(passed, 'again', resolve)
    deadlines.set(
      limited(passed, 'first', () => {
        setAtMs = performance.now()
        deadlines.set(again, 20)
      }),
      20,
    )
  })
  t.same(passed, ['first 20', 'again 20'])
  t.ok(performance.now() - setAtMs >= 20)
})

t.test('one that passes may take back the one behind it', async (t) => {
  const deadlines = new Deadlines()
  const passed: string[] = []
  await new Promise<void>((resolve) => {
    deadlines.set(
      limited(passed, 'first', () => second.clear()),
      10,
    )
    const second = deadlines.set(limited(passed, 'second'), 10)
    deadlines.set(limited(passed, 'last', resolve), 30)
  })
  t.same(passed, ['first 10', 'last 30'])
})

t.test(
  'what is set after the last one of its length was taken back can be taken back',
  async (t) => {
    const deadlines = new Deadlines()
    const passed: string[] = []
    await new Promise<void>((resolve) => {
      deadlines.set(
        limited(passed, 'first', () => {
          second.clear()
          const third = deadlines.set(limited(passed, 'third'), 10)
          // Later, and before any other timer.
          queueMicrotask(() => third.clear())
        }),
        10,
      )
      const second = deadlines.set(limited(passed, 'second'), 10)
      deadlines.set(limited(passed, 'last', resolve), 50)
    })
    t.same(passed, ['first 10', 'last 50'])
  },
)

t.test('a line whose last one was taken back begins anew', async (t) => {
  const deadlines = new Deadlines()
  const passed: string[] = []
  const first = deadlines.set(limited(passed, 'first'), 30)
  await delay(20)
  first.clear()
  const startedMs = performance.now()
  await new Promise<void>((resolve) => deadlines.set(limited(passed, 'second', resolve), 30))
  t.same(passed, ['second 30'])
  t.ok(performance.now() - startedMs >= 30)
})

t.test('a thousand, half of them taken back', async (t) => {
  const deadlines = new Deadlines()
  const passed: string[] = []
  const all = Array.from({ length: 1_000 }, (_, index) => limited(passed, String(index)))
  const set = all.map((each, index) => deadlines.set(each, 10 + (index % 3)))
  for (const [index, each] of set.entries()) if (index % 2) each.clear()
  await new Promise<void>((resolve) => deadlines.set(limited(passed, 'last', resolve), 40))
  t.equal(passed.length, 501)
  t.ok(passed.slice(0, 500).every((line) => Number(line.split(' ')[0]) % 2 === 0))
})

t.test(
  'a line of many that come and go has its full time for each, and keeps no process',
  async (t) => {
    const deadlines = new Deadlines()
    const passed: string[] = []
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    for (let count = 0; count < 100; count++) deadlines.set(limited(passed, 'gone'), 30).clear()
    t.equal(timers(), before)
    await delay(20)
    for (let round = 0; round < 3; round++) {
      const startedMs = performance.now()
      await new Promise<void>((resolve) => {
        deadlines.set(limited(passed, 'kept', resolve), 30)
        t.ok(timers() > before)
      })
      t.ok(performance.now() - startedMs >= 30)
      t.equal(timers(), before)
      deadlines.set(limited(passed, 'gone'), 30).clear()
    }
    t.same(passed, ['kept 30', 'kept 30', 'kept 30'])
  },
)
