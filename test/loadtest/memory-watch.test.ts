import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { watchMemory } from '../../loadtest/memory-watch.js'

const MIB = 1024 ** 2
const HELD_BYTES = 100 * MIB

// Says when it holds the memory; how soon the watch sees it is what is tested.
const SCRIPT = `
  process.stdin.once('data', () => {
    globalThis.held = Buffer.alloc(${HELD_BYTES}, 1)
    console.log('held')
  })
  console.log('ready')`

test('the peak is what was held while the work went on', async (t) => {
  const child = spawn(process.execPath, ['-e', SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  await once(child.stdout, 'data')
  const processes = [{ name: 'it', pid: child.pid! }]
  const { result, memory } = await watchMemory(processes, async () => {
    child.stdin.write('go')
    await once(child.stdout, 'data')
    return 'done'
  })
  t.equal(result, 'done')
  const [it] = memory
  t.equal(it!.process, 'it')
  t.ok(it!.peakBytes - it!.startBytes >= 0.9 * HELD_BYTES, JSON.stringify(it))
  t.ok(it!.endBytes <= it!.peakBytes)
})

test('work that fails ends the watch', async (t) => {
  const processes = [{ name: 'it', pid: process.pid }]
  const failing = watchMemory(processes, async () => {
    await delay(1)
    throw new Error('no')
  })
  await t.rejects(failing, { message: 'no' })
})
