import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { ReadGarbage, youngCollector } from '../../shared/read-garbage.js'

const KIB = 1024
const MIB = 1024 * KIB

t.test('the collector is asked after eight megabytes of large reads', (t) => {
  let runs = 0
  const garbage = new ReadGarbage(() => () => {
    runs++
  })
  for (let read = 0; read < 10_000; read++) garbage.onRead(8 * KIB)
  t.equal(runs, 0, 'small ones do not count')
  for (let read = 0; read < 127; read++) garbage.onRead(64 * KIB)
  t.equal(runs, 0)
  garbage.onRead(64 * KIB)
  t.equal(runs, 1)
  for (let read = 0; read < 256; read++) garbage.onRead(64 * KIB)
  t.equal(runs, 3)
  t.end()
})

t.test('it frees arrays that nobody holds', { timeout: 10_000 }, async (t) => {
  const collectYoung = youngCollector()
  collectYoung()
  const before = process.memoryUsage().arrayBuffers
  for (let read = 0; read < 128; read++) Buffer.allocUnsafeSlow(64 * KIB)
  collectYoung()
  // Another thread gives the memory back.
  while (process.memoryUsage().arrayBuffers - before > MIB) await setImmediate()
  t.type((globalThis as { gc?: unknown }).gc, 'undefined', 'and nobody else has it')
})
