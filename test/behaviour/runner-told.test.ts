// Runners that are told to stop, at each moment of their life: what their clients see.

import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { decodeFrames } from '../../shared/codec.js'
import { FRAME } from '../../shared/frame.js'
import { subjectsIn } from '../../shared/subjects.js'
import { startCuttableProxy } from '../support/cuttable-proxy.js'
import { nobodyServes, startLoading, startSleeper, startStream } from '../support/lone-runner.js'
import { functionFile, System } from '../support/system.js'

// A process may take its time to start, on a machine that has much else to do.
const system = await System.start(t, { gateway: { queueWaitMs: 80_000 } })

t.test('SIGTERM, idle: it says that it leaves', async (t) => {
  const { pid, ended } = await startSleeper(t, system)
  process.kill(pid, 'SIGTERM')
  t.equal(await ended, 0)
  await nobodyServes(system, 'sleeper')
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} in mid-stream: the stream ends whole, new calls go elsewhere`, async (t) => {
    const leaving = await startSleeper(t, system)
    const stream = await startStream(system, 60, 60)
    process.kill(leaving.pid, signal)
    await system.until('sleeper', ({ runners }) => runners[0]?.state === 'draining')
    t.match(await system.state('sleeper'), { slots: 0, runners: [{ slots: 0, inFlight: 1 }] })
    const other = await system.serveFile(functionFile('sleeper'))
    t.same(await (await system.post('/sleeper', {})).json(), { pid: process.pid })
    await other.stop()
    t.match(await stream.rest(), /data: 59\n\n$/)
    t.equal(await leaving.ended, 0)
    await nobodyServes(system, 'sleeper')
  })
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

t.test('SIGTERM while it loads: nobody takes it for a failure, and calls wait on', async (t) => {
  const { pid, ended, file } = await startLoading(t, system)
  const answer = system.post('/loader', 1)
  await system.until('loader', ({ queued }) => queued === 1)
  process.kill(pid, 'SIGTERM')
  t.equal(await ended, 0)
  await nobodyServes(system, 'loader')
  t.equal(readFileSync(file, 'utf8'), 'told to stop')
  t.match(await system.state('loader'), { queued: 1, loadFailure: null })
  const next = await startLoading(t, system)
  writeFileSync(next.file, 'go')
  t.match(await (await answer).json(), { pid: next.pid })
})

t.test('a call that is under way to one that leaves goes to the next', async (t) => {
  const proxy = await startCuttableProxy(t, system.nats.url)
  const serve = (answer: string, natsUrl: string) =>
    system.serve(defineFunction({ name: 'relay', run: () => answer }), { natsUrl })
  const leaving = await serve('the one that leaves', proxy.url)
  // Nobody hears yet that it leaves.
  proxy.stopUp()
  const left = leaving.stop()
  const hasArrived = await nextCall(leaving.runnerId)
  const answer = system.post('/relay', 1)
  await hasArrived()
  proxy.mend()
  await left
  await serve('the next', system.nats.url)
  t.equal(await (await answer).text(), 'the next')
})

/** Listens from now on; what it returns resolves when the server has passed a CALL on to this runner. */
async function nextCall(runnerId: string): Promise<() => Promise<void>> {
  const connection = await connect({ servers: system.nats.url })
  const messages = connection.subscribe(subjectsIn('callgate').runnerInbox(runnerId))
  await connection.flush()
  return async () => {
    for await (const { data } of messages) {
      let isCall = false
      decodeFrames(Buffer.from(data), (frame) => {
        isCall ||= frame[0] === FRAME.call
      })
      if (isCall) break
    }
    await connection.close()
  }
}
