// Runners that are told to stop, at each moment of their life: what their clients see.

import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { nobodyServes, startLoading, startSleeper, startStream } from '../support/lone-runner.js'
import { System } from '../support/system.js'

const system = await System.start(t)

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal}, idle: it says that it leaves`, async (t) => {
    const { pid, ended } = await startSleeper(t, system)
    process.kill(pid, signal)
    t.equal(await ended, 0)
    await nobodyServes(system, 'sleeper')
  })

  t.test(
    `${signal} in mid-stream: the stream comes to its end, new calls go elsewhere`,
    async (t) => {
      const first = await startSleeper(t, system)
      const stream = await startStream(system, 60, 60)
      process.kill(first.pid, signal)
      await system.until('sleeper', ({ runners }) => runners[0]?.state === 'draining')
      t.match(await system.state('sleeper'), { slots: 0, runners: [{ slots: 0, inFlight: 1 }] })
      const second = await startSleeper(t, system)
      t.same(await (await system.post('/sleeper', {})).json(), { pid: second.pid })
      t.match(await stream.rest(), /data: 59\n\n$/)
      t.equal(await first.ended, 0)
      process.kill(second.pid, signal)
      await second.ended
      await nobodyServes(system, 'sleeper')
    },
  )
}

t.test('a second SIGTERM ends it at once', async (t) => {
  const { pid, ended } = await startSleeper(t, system)
  const stream = await startStream(system, 100, 1_000)
  process.kill(pid, 'SIGTERM')
  await system.until('sleeper', ({ runners }) => runners[0]?.state === 'draining')
  process.kill(pid, 'SIGTERM')
  await ended
  t.match(await stream.rest().catch(() => 'broken'), /event: error|broken/)
  await nobodyServes(system, 'sleeper')
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(
    `${signal} while it loads: it is told, leaves, and nobody takes it for a failure`,
    async (t) => {
      const { pid, ended, file } = await startLoading(t, system)
      const answer = system.post('/loader', 1)
      await system.until('loader', ({ queued }) => queued === 1)
      process.kill(pid, signal)
      t.equal(await ended, 0)
      await nobodyServes(system, 'loader')
      t.equal(readFileSync(file, 'utf8'), 'told to stop')
      t.match(await system.state('loader'), { queued: 1, loadFailure: null })
      const next = await startLoading(t, system)
      writeFileSync(next.file, 'go')
      t.match(await (await answer).json(), { pid: next.pid })
      process.kill(next.pid, 'SIGTERM')
      await next.ended
      await nobodyServes(system, 'loader')
    },
  )
}
