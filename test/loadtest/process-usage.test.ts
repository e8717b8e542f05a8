import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Test, test } from 'tap'
import { entryInProc, entryInPs, processUsage } from '../../loadtest/process-usage.js'

// Works for 300 ms of CPU time, says so, and stays.
const WORK = `while (process.cpuUsage().user < 300_000);
  console.log('done')
  process.stdin.resume()`

async function started(t: Test, script: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  await once(child.stdout, 'data')
  return child
}

test('the CPU time of a process grows with its work, and its peak memory is what it holds', async (t) => {
  const { pid } = await started(t, WORK)
  const usage = await processUsage(pid!)
  t.ok(usage.cpuMs >= 250 && usage.cpuMs < 3000, `${usage.cpuMs} ms`)
  t.ok(usage.peakRssBytes >= 20 * 1024 ** 2, `${usage.peakRssBytes} bytes`)
})

test('what a process has started counts with it', async (t) => {
  const family = await started(
    t,
    `const { spawn } = require('node:child_process')
     spawn(process.execPath, ['-e', ${JSON.stringify(WORK)}], { stdio: 'inherit' })`,
  )
  const usage = await processUsage(family.pid!)
  t.ok(usage.cpuMs >= 270, `${usage.cpuMs} ms`)
  t.ok(usage.peakRssBytes >= 50 * 1024 ** 2, `${usage.peakRssBytes} bytes`)
})

test('/proc: a program name may hold spaces and parentheses', (t) => {
  const stat = '7 (a) (b c) S 3 7 7 0 -1 4194560 9 0 0 0 150 50 9000 9000 20 0 11 0 100 0 0'
  t.same(entryInProc(stat, 'VmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n', 100), {
    pid: 7,
    parentPid: 3,
    cpuMs: 2000,
    peakRssBytes: 2048 * 1024,
  })
  t.equal(entryInProc(stat, 'VmRSS:\t   1024 kB\n', 100).peakRssBytes, 1024 * 1024)
  t.end()
})

test('ps: with hours, days or hundredths of a second', (t) => {
  t.same(entryInPs('    7     3   0:01.25   2048'), {
    pid: 7,
    parentPid: 3,
    cpuMs: 1250,
    peakRssBytes: 2048 * 1024,
  })
  t.equal(entryInPs('7 3 01:02:03 1').cpuMs, 3_723_000)
  t.equal(entryInPs('7 3 2-01:00:00 1').cpuMs, 49 * 3_600_000)
  t.throws(() => entryInPs(''), /is no process/)
  t.end()
})
