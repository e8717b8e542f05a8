// The store of a NATS server is put back as it was earlier: a disk that was restored from a snapshot, or last
// writes that a power failure has taken. The stream in it is the same one, and its numbers begin again at
// what they were then; a watch that waited for the next one after those was deaf from there on.

import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'
import { deploy, storeIn, untilRegistered } from '../support/registry.js'
import { System } from '../support/system.js'

const stateDir = folderWith(t, {})
const store = storeIn(stateDir)
const snapshot = join(stateDir, 'snapshot')

t.test('a registry that has gone back is followed from there', async (t) => {
  const before = await startTestNats(t, { stateDir })
  const port = Number(new URL(before.url).port)
  await deploy(before.url, 'old')
  await before.stop()
  await cp(store, snapshot, { recursive: true })
  const nats = await startTestNats(t, { stateDir, port })
  const system = await System.start(t, { nats })
  const own = defineFunction({ name: 'own', auth: 'public', route: 'GET /own', run: () => 'own' })
  await system.serve(own)
  for (const name of ['a', 'b', 'c']) await deploy(nats.url, name)
  await system.until('c', ({ isRegistered }) => isRegistered)

  await nats.stop()
  await rm(store, { recursive: true })
  await cp(snapshot, store, { recursive: true })
  await startTestNats(t, { stateDir, port })
  await untilRegistered(nats.url, 'own')
  t.pass('a runner whose registration is lost has registered again')
  await deploy(nats.url, 'late')
  await system.until('late', ({ isRegistered }) => isRegistered)
  t.pass('the gateway hears of the next deploy')
  t.equal(await (await fetch(`${system.url}/own`)).text(), 'own')
  const { functions } = await system.fleet()
  t.same(
    functions.filter(({ isRegistered }) => isRegistered).map(({ name }) => name),
    ['a', 'b', 'c', 'late', 'old', 'own'],
    'what is lost of it keeps its routes',
  )
})
