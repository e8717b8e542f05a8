import { test } from 'tap'
import { atPace } from '../../loadtest/clients/pace.js'

test('calls start at their pace whatever becomes of them, and those that are late catch up', async (t) => {
  const end = new AbortController()
  const dues: number[] = []
  let isFirst = true
  await atPace({ perSecond: 1000, signal: end.signal }, (dueMs, index) => {
    t.equal(index, dues.length)
    t.ok(dueMs <= performance.now())
    dues.push(dueMs)
    if (isFirst) {
      isFirst = false
      const untilMs = performance.now() + 100
      while (performance.now() < untilMs);
    }
    if (dues.length === 200) end.abort()
  })
  t.equal(dues.length, 200)
  const lengthMs = dues.at(-1)! - dues[0]!
  t.ok(Math.abs(lengthMs - 199) < 0.001, `${lengthMs} ms`)
})

test('nothing starts after the end', async (t) => {
  const end = new AbortController()
  let starts = 0
  const running = atPace({ perSecond: 1, signal: end.signal }, () => {
    starts += 1
  })
  end.abort()
  await running
  t.ok(starts <= 1)
})
