// Who is there: a gateway knows as soon as it listens, and two runners never share an id for long.

import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { startTestNats } from '../support/nats.js'
import { startScriptedRunner } from '../support/scripted-runner.js'
import { functionFile, System } from '../support/system.js'

const nats = await startTestNats(t)
const system = await System.start(t, { nats })

t.test('a gateway without any runner is ready', async (t) => {
  const response = await fetch(`${system.gateway.adminUrl}/readyz`)
  t.equal(response.status, 200)
  for (const method of ['HEAD', 'OPTIONS']) {
    for (const path of ['/readyz', '/healthz']) {
      const probe = await fetch(`${system.gateway.adminUrl}${path}`, { method })
      t.equal(probe.status, 200, `${method} ${path}`)
    }
  }
})

t.test('a gateway that listens has heard of every runner', async (t) => {
  const names = ['one', 'two', 'three']
  for (const name of names) {
    await system.serve(defineFunction({ name, auth: 'public', run: () => name }))
  }
  const later = await System.start(t, { nats })
  t.equal((await fetch(`${later.gateway.adminUrl}/readyz`)).status, 200)
  for (const { name, runners } of (await later.fleet()).functions) {
    t.equal(runners.filter(({ state }) => state === 'ready').length, 1, name)
  }
})

t.test('a poisoned slot is announced at once, and so is its return', async (t) => {
  let settle = () => {}
  await system.serve(
    defineFunction({
      name: 'stubborn',
      auth: 'public',
      maxInputs: 2,
      timeoutMs: 50,
      run: () => new Promise<void>((resolve) => (settle = resolve)),
    }),
    { cancelGraceMs: 20 },
  )
  t.equal((await system.post('/stubborn', 1)).status, 504)
  await system.until('stubborn', ({ slots }) => slots === 1)
  settle()
  await system.until('stubborn', ({ slots }) => slots === 2)
})

t.test(
  'a runner that hears a newer one of its id stops, and comes back under another',
  async (t) => {
    const child = await system.serveInChild('sleeper', functionFile('sleeper'))
    const [id] = child.runnerIds
    const newer = await startScriptedRunner(t, {
      url: nats.url,
      id: id!,
      functionName: 'sleeper',
      isAnnounced: false,
    })
    await newer.announce({ startedAt: '2999-01-01T00:00:00.000Z' })
    await system.until('sleeper', ({ runners }) => {
      const processes = runners.map(({ pid }) => pid).sort()
      return processes.length === 2 && processes.includes(process.pid)
    })
    await system.until('sleeper', () => child.runnerIds.length === 2)
    t.match(child.failures, [/ended with status 75/])
    t.not(child.runnerIds[1], id)
  },
)

t.test('a runner that hears an older one of its id says that it is there', async (t) => {
  const runner = await system.serve(
    defineFunction({ name: 'kept', auth: 'public', run: () => 'kept' }),
  )
  const older = await startScriptedRunner(t, {
    url: nats.url,
    id: runner.runnerId,
    functionName: 'kept',
    isAnnounced: false,
  })
  const heard = new Promise<void>((resolve) => {
    older.connection.subscribe(`callgate.announce.kept.${runner.runnerId}`, {
      callback: (_error, message) => {
        if (!message.string().includes('2025-01-01')) resolve()
      },
    })
  })
  await older.goDeaf()
  await older.announce({ slots: 77 })
  await heard
  t.match(await system.state('kept'), { slots: 1, runners: [{ state: 'ready', slots: 1 }] })
  t.equal(await (await system.post('/kept', 1)).text(), 'kept')
})
