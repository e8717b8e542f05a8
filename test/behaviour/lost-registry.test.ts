// A NATS server comes back without its store: the registry is empty. What runs goes on, what runners serve is
// registered again by them, and deploys are seen.

import { setTimeout as delay } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import type { Traffic } from '../../shared/deployment.js'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'
import { deploy, inTestRegistry, untilRegistered, wipeStore } from '../support/registry.js'
import { functionFile, System } from '../support/system.js'

const BUCKET = 'callgate_functions'

const stateDir = folderWith(t, {})
const nats = await startTestNats(t, { stateDir })
const port = Number(new URL(nats.url).port)
const system = await System.start(t, { nats })
const own = defineFunction({ name: 'own', auth: 'public', route: 'GET /own', run: () => 'own' })
const deployed = defineFunction({
  name: 'deployed',
  auth: 'public',
  route: 'GET /deployed',
  run: () => 'deployed',
})

async function textOf(path: string): Promise<string> {
  return (await fetch(`${system.url}${path}`)).text()
}

await deploy(nats.url, 'deployed')
await system.serve(own)
await system.serve(deployed, {}, { register: false })

t.test('when a server has come back without its store', async (t) => {
  await nats.stop()
  await wipeStore(stateDir)
  await startTestNats(t, { stateDir, port })
  await untilRegistered(nats.url, 'own')
  t.pass('a runner has registered its function again')
  await system.until('own', ({ runners }) => runners.length === 1)
  await system.until('deployed', ({ runners }) => runners.length === 1)
  t.equal(await textOf('/own'), 'own')
  t.equal(await textOf('/deployed'), 'deployed', 'what was only deployed keeps its route')
  await deploy(nats.url, 'late')
  await system.until('late', ({ isRegistered }) => isRegistered)
  t.pass('the gateway hears of the next deploy')
  t.equal((await fetch(`${system.url}/deployed`)).status, 200, 'which forgets nothing')

  await t.test('and then somebody deletes the registry', async (t) => {
    const connection = await connect({ servers: nats.url })
    const manager = await jetstreamManager(connection)
    t.ok(await manager.streams.delete(`KV_${BUCKET}`))
    await connection.close()
    await deploy(nats.url, 'later')
    await system.until('later', ({ isRegistered }) => isRegistered)
    t.equal(await textOf('/own'), 'own')
  })
})

t.test('a runner that was started again after a crash', async (t) => {
  // It was told not to register, and had nothing that would notice the loss: its routes were gone for good.
  const stateDir = folderWith(t, {})
  const first = await startTestNats(t, { stateDir })
  const port = Number(new URL(first.url).port)
  const system = await System.start(t, { nats: first })
  const child = system.startChild(functionFile('sleeper'), {}, { retryFailedLoad: true })
  await system.until('sleeper', ({ slots }) => slots > 0)
  const killed = async () => {
    const { length } = child.runnerIds
    process.kill(child.process.pid!, 'SIGKILL')
    await system.until('sleeper', ({ runners }) =>
      runners.some(({ id }) => child.runnerIds.indexOf(id) >= length),
    )
  }
  await killed()

  await t.test('registers when the store is lost', async (t) => {
    await first.stop()
    await wipeStore(stateDir)
    const second = await startTestNats(t, { stateDir, port })
    await untilRegistered(second.url, 'sleeper')
    t.pass('its guard has noticed')
    await second.stop()
  })

  await t.test('registers when the store was lost before it could be started again', async (t) => {
    process.kill(child.process.pid!, 'SIGKILL')
    await wipeStore(stateDir)
    const { length } = child.failures
    // With NATS away every attempt fails.
    while (child.failures.length < length + 2) await delay(10)
    const third = await startTestNats(t, { stateDir, port })
    await untilRegistered(third.url, 'sleeper')
    t.ok(await inTestRegistry(third.url, (registry) => registry.delete('sleeper')))
    await killed()
    t.equal(
      await inTestRegistry(third.url, (registry) => registry.get('sleeper')),
      null,
      'what was undeployed since stays undeployed',
    )
  })
})

t.test('weights of versions whose registry was lost', async (t) => {
  const stateDir = folderWith(t, {})
  const first = await startTestNats(t, { stateDir })
  const port = Number(new URL(first.url).port)
  const system = await System.start(t, { nats: first })
  const weighed = (traffic: Traffic) =>
    inTestRegistry(first.url, (registry) =>
      registry.edit((draft) => draft.setTraffic('weighed', traffic)),
    )
  const serve = (version: string) => {
    const definition = { name: 'weighed', auth: 'public', route: 'GET /weighed' } as const
    return system.serve(defineFunction({ ...definition, run: () => version }), { version })
  }
  await serve('v2')
  await serve('main')
  await weighed({ main: 90, v2: 10 })
  await system.until('weighed', ({ traffic }) => traffic?.main === 90)
  await first.stop()
  await wipeStore(stateDir)
  const second = await startTestNats(t, { stateDir, port })
  for (const version of ['main', 'v2']) await untilRegistered(second.url, 'weighed', version)
  const told = () => system.logLines.filter((line) => line.includes('lost the weights'))
  while (told().length === 0) await delay(10)
  const { traffic } = await system.state('weighed')
  t.same(traffic, { main: 90, v2: 10 }, 'hold in the gateway that knew them')
  const registered = await inTestRegistry(second.url, (registry) => registry.list())
  t.equal(registered.get('weighed')?.isWeighted, false, 'are not made up in the registry')
  await weighed({ main: 20, v2: 80 })
  await system.until('weighed', ({ traffic }) => traffic?.v2 === 80)
  t.equal(told().length, 1)
})
