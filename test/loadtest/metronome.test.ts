import { test } from 'tap'
import { startMetronome } from '../../loadtest/generators/metronome.js'

test('everything due is told once, each with its own time, also behind a stall', async (t) => {
  const dues: number[] = []
  await new Promise<void>((resolve) => {
    const running = startMetronome(1000, (dueMs) => {
      t.ok(dueMs - performance.now() < 1, 'not before its time')
      dues.push(dueMs)
      if (dues.length === 5) {
        const untilMs = performance.now() + 20
        while (performance.now() < untilMs);
      }
      if (dues.length >= 50) resolve(running.then((metronome) => metronome.stop()))
    })
  })
  for (const [index, dueMs] of dues.entries()) {
    t.ok(Math.abs(dueMs - dues[0]! - index) < 0.001, `${index} ms behind the first`)
  }
})
