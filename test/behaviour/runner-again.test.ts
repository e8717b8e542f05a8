// Runners that have died or were stopped: what is started again, and what is left of them.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { withRegistry } from '../../cli/registry-session.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import type { Registry } from '../../shared/registry.js'
import { type ChildRunner, functionFile, System } from '../support/system.js'

t.jobs = 1

const system = await System.start(t)

function inRegistry<T>(use: (registry: Registry) => Promise<T>): Promise<T> {
  return withRegistry(readConfig(natsSettings, { natsUrl: system.nats.url }, {}), use)
}

/** Resolves when it is ready for the next time. */
async function readyAgain(child: ChildRunner, name: string): Promise<void> {
  const { length } = child.runnerIds
  await system.until(name, ({ runners }) =>
    runners.some(({ id, state }) => state === 'ready' && child.runnerIds.indexOf(id) >= length),
  )
}

t.test('one that died does not register again: undeployed is undeployed', async (t) => {
  // A crash put the routes back, or those of before over newer ones, and who may call them.
  const child = await system.serveInChild('sleeper', functionFile('sleeper'))
  const dies = async () => {
    const isReady = readyAgain(child, 'sleeper')
    process.kill(child.process.pid!, 'SIGKILL')
    await isReady
  }
  const manifest = (await inRegistry((registry) => registry.get('sleeper')))!
  await inRegistry((registry) => registry.delete('sleeper'))
  await dies()
  t.equal(await inRegistry((registry) => registry.get('sleeper')), null)

  const newer = { ...manifest, auth: { scopes: ['sleep'] } }
  await inRegistry((registry) => registry.put(newer))
  await dies()
  t.same(await inRegistry((registry) => registry.get('sleeper')), newer)

  const isReady = readyAgain(child, 'sleeper')
  child.process.restart()
  await isReady
  t.same(
    await inRegistry((registry) => registry.get('sleeper')),
    manifest,
    'a file that has changed is registered',
  )
})

t.test('one that is stuck is killed, and started again', async (t) => {
  // After `ready` nobody looked: a loop without an end kept its slot, and its runner, for good.
  const [patient, blocked] = await Promise.all([
    system.serveInChild('patient', functionFile('blocker'), { TEST_NAME: 'patient' }),
    system.serveInChild('blocked', functionFile('blocker'), {
      TEST_NAME: 'blocked',
      TEST_TIMEOUT_MS: '100',
      CALLGATE_CANCEL_GRACE_MS: '100',
    }),
  ])
  const computation = system.post('/patient', 13_000)
  const isReady = readyAgain(blocked, 'blocked')
  const stuckMs = performance.now()
  const answer = await system.post('/blocked', 'for ever')
  t.equal(answer.status, 504)
  await isReady
  t.ok(performance.now() - stuckMs > 10_000, 'a runner may be late for many reasons')
  t.match(blocked.failures, [
    /^The runner of .*blocker\.js was killed: it has been stuck for 1\d s, longer than any of its calls may take/,
  ])
  // Within a tenth of a second, or once more: the machine may be busy.
  let status = 504
  while (status === 504) status = (await system.post('/blocked', 0)).status
  t.equal(status, 200)

  t.equal((await computation).status, 200, 'where calls may take for ever, silence says nothing')
  t.same(patient.failures, [])
})

/** What the function `parent` has started, and what it has said until it ended. */
interface Grandchild {
  readonly runner: ChildRunner
  said: string
  readonly ended: Promise<unknown>
}

let parents = 0

async function startParent(t: Test, environment: Record<string, string>): Promise<Grandchild> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const name = `parent-${++parents}`
  const [[socket], runner] = await Promise.all([
    once(server, 'connection') as Promise<[Socket]>,
    system.serveInChild(name, functionFile('parent'), {
      TEST_NAME: name,
      TEST_PORT: String((server.address() as AddressInfo).port),
      ...environment,
    }),
  ])
  const grandchild = { runner, said: '', ended: once(socket, 'close') }
  // One that is killed leaves no farewell.
  socket.on('error', () => {})
  socket.setEncoding('utf8').on('data', (text) => {
    grandchild.said += text
  })
  return grandchild
}

t.test('what a function has started ends with its runner', async (t) => {
  // A model server outlived the runner that had started it, and kept the memory of the GPU from the next.
  const killed = await startParent(t, { TEST_DEAF: 'yes' })
  process.kill(killed.runner.process.pid!, 'SIGKILL')
  await killed.ended
  t.equal(killed.said, 'here ', 'nobody waited')
  await killed.runner.process.stop()

  const told = await startParent(t, {})
  await told.runner.process.stop()
  await told.ended
  t.equal(told.said, 'here told ', 'a runner that leaves in peace lets it do so, too')

  const deaf = await startParent(t, { TEST_DEAF: 'yes' })
  const stoppedMs = performance.now()
  await deaf.runner.process.stop()
  await deaf.ended
  t.equal(deaf.said, 'here told ')
  t.ok(performance.now() - stoppedMs >= 1_000, 'it had a moment for it')
})
