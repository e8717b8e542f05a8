// Runners that are started again after they have died.

import t from 'tap'
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
  t.equal((await system.post('/blocked', 0)).status, 200)

  t.equal((await computation).status, 200, 'where calls may take for ever, silence says nothing')
  t.same(patient.failures, [])
})
