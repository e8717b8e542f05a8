// Runners that are killed or frozen, at each moment of their life that `lost-runner.test.ts` leaves out:
// what their clients see.

import { writeFileSync } from 'node:fs'
import t from 'tap'
import { nobodyServes, startLoading, startSleeper, startStream } from '../support/lone-runner.js'
import { System } from '../support/system.js'

const system = await System.start(t)

t.test('SIGKILL, idle: the next call finds nobody, and waits for the next runner', async (t) => {
  const first = await startSleeper(t, system)
  process.kill(first.pid, 'SIGKILL')
  await first.ended
  const answer = system.post('/sleeper', {})
  const second = await startSleeper(t, system)
  t.same(await (await answer).json(), { pid: second.pid })
  process.kill(second.pid, 'SIGTERM')
  await second.ended
  await nobodyServes(system, 'sleeper')
})

t.test('SIGKILL, idle and not called: it is forgotten before ten seconds are over', async (t) => {
  const { pid } = await startSleeper(t, system)
  const startedMs = performance.now()
  process.kill(pid, 'SIGKILL')
  await nobodyServes(system, 'sleeper')
  t.ok(performance.now() - startedMs < 9_000)
})

t.test('SIGSTOP before the first byte: the call waits for it to go on', async (t) => {
  const { pid, ended } = await startSleeper(t, system)
  process.kill(pid, 'SIGSTOP')
  // What its CALL says counts from when it was sent.
  const answer = system.post('/sleeper', {})
  await system.until('sleeper', ({ runners }) => runners[0]?.state === 'silent')
  t.match(await system.state('sleeper'), { counters: { inFlight: 1 } })
  const waiting = system.post('/sleeper', {})
  await system.until('sleeper', ({ queued }) => queued === 1)
  process.kill(pid, 'SIGCONT')
  t.same(await (await answer).json(), { pid })
  t.same(await (await waiting).json(), { pid })
  process.kill(pid, 'SIGTERM')
  await ended
  await nobodyServes(system, 'sleeper')
})

t.test('SIGSTOP in mid-stream: the stream pauses, and goes on', async (t) => {
  const { pid, ended } = await startSleeper(t, system)
  const stream = await startStream(system, 20, 10)
  process.kill(pid, 'SIGSTOP')
  await system.until('sleeper', ({ runners }) => runners[0]?.state === 'silent')
  process.kill(pid, 'SIGCONT')
  t.match(await stream.rest(), /data: 9\n\n$/)
  process.kill(pid, 'SIGTERM')
  await ended
  await nobodyServes(system, 'sleeper')
})

t.test('SIGSTOP while it loads: calls wait for it', async (t) => {
  const { pid, ended, file } = await startLoading(t, system)
  process.kill(pid, 'SIGSTOP')
  const answer = system.post('/loader', 1)
  await system.until('loader', ({ queued }) => queued === 1)
  process.kill(pid, 'SIGCONT')
  writeFileSync(file, 'go')
  t.match(await (await answer).json(), { pid })
  process.kill(pid, 'SIGTERM')
  await ended
  await nobodyServes(system, 'loader')
})

t.test('SIGKILL while it loads: load_failed, soon', async (t) => {
  const { pid } = await startLoading(t, system)
  const answer = system.post('/loader', 1)
  await system.until('loader', ({ queued }) => queued === 1)
  process.kill(pid, 'SIGKILL')
  const response = await answer
  t.equal(response.status, 503)
  t.match(await response.json(), { code: 'load_failed' })
})
