// Callgate under the NATS permissions of SECURITY.md, read from there: what they allow is enough, and what is
// not in them is not asked for.

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../../client/client.js'
import { defineFunction } from '../../runner/define-function.js'
import { describeFunction } from '../../runner/describe-function.js'
import { encodeAnnouncement } from '../../shared/announcement.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import { DEFAULT_VERSION } from '../../shared/manifest.js'
import { connectNats, type NatsBus } from '../../shared/nats.js'
import { Registry } from '../../shared/registry.js'
import { subjectsIn } from '../../shared/subjects.js'
import { runCommand } from '../cli/command.js'
import { until } from '../shared/test-bus.js'
import { startConfiguredNats } from '../support/configured-nats.js'
import { folderWith } from '../support/folder.js'
import type { TestNats } from '../support/nats.js'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** By the first word of its row. */
const USERS: Record<string, string> = {
  gateway: 'gateway',
  client: 'client',
  'runner with `--no-register`': 'worker',
  runner: 'runner',
  '`callgate deploy`, `undeploy`, `traffic`, `promote`, `rollback`': 'deployer',
}
const PASSWORD = 'secret'
/** Together 3 MiB: a server sends two before it wants to hear that they have come. */
const LARGE_FUNCTIONS = 100

function tableOf(markdown: string): Map<string, Permissions> {
  const table = new Map<string, Permissions>()
  for (const line of markdown.split('\n')) {
    const [, who = '', publish = '', subscribe = ''] = line.split('|').map((cell) => cell.trim())
    const user = USERS[who]
    if (user !== undefined)
      table.set(user, { publish: listed(publish), subscribe: listed(subscribe) })
  }
  return table
}

function listed(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, subject]) => subject!)
}

function rootOf(folder: string): string {
  return folder.endsWith('dist') ? dirname(folder) : rootOf(dirname(folder))
}

const table = tableOf(readFileSync(join(rootOf(import.meta.dirname), 'SECURITY.md'), 'utf8'))
t.same([...table.keys()].sort(), Object.values(USERS).sort(), 'the table has every role')
const runnerOfOne = {
  publish: table.get('worker')!.publish.map((s) => s.replace('announce.>', 'announce.own.*')),
  subscribe: table.get('worker')!.subscribe,
}
const users = [...table, ['one', runnerOfOne] as const].map(
  ([user, permissions]) =>
    `{ user: ${user}, password: ${PASSWORD}, permissions: ${JSON.stringify(permissions)} }`,
)

/** A server that lets these users in; returns its address. */
function startServer(t: Test, folder: string, log?: string[]): Promise<string> {
  const config = `jetstream { store_dir: ${JSON.stringify(folder)} }
    authorization { users: [ ${users.join()} ] }`
  return startConfiguredNats(t, folder, config, log)
}

function as(natsUser: string, natsUrl = address) {
  return { natsUrl, natsUser, natsPassword: PASSWORD }
}

async function openBus(t: Test, user: string, url = address): Promise<NatsBus> {
  const bus = await connectNats(readConfig(natsSettings, as(user, url), {}), 'test')
  t.teardown(() => bus.connection.close())
  return bus
}

/** What the server has refused, but for the user that is named. */
function violations(except?: string): string[] {
  return natsLog.filter((line) => / Violation/.test(line) && !isAbout(line, except))
}

/** By 2.9 the log has a user as "one", by 2.15 as "$G/user:one". */
function isAbout(line: string, user: string | undefined): boolean {
  return line.includes(`"${user}"`) || line.includes(`:${user}"`)
}

const folder = folderWith(t, {
  'late.js': `import { defineFunction } from 'callgate'
    export default defineFunction({ auth: 'public', route: 'GET /late', run: () => 'late' })`,
})
const natsLog: string[] = []
const address = await startServer(t, folder, natsLog)

const deployer = await openBus(t, 'deployer')
const registry = await Registry.open(deployer, subjectsIn('callgate'), { replicas: 1 })
const large = Array.from({ length: LARGE_FUNCTIONS }, (_, count) => {
  const route = Array.from({ length: 64 }, (_, n) => `GET /${'x'.repeat(450)}/${count}/${n}`)
  return describeFunction(defineFunction({ route, run: () => 1 }), `large${count}`)
})
await registry.edit((draft) => {
  for (const manifest of large) draft.put(manifest, DEFAULT_VERSION)
})

const nats = { url: address, stateDir: folder } as TestNats
const system = await System.start(t, { nats, gateway: as('gateway'), runner: as('runner') })

t.test('a gateway reads a registry of any size', async (t) => {
  t.equal((await system.fleet()).functions.length, LARGE_FUNCTIONS)
  await registry.edit((draft) => {
    for (const { name } of large) draft.delete(name)
  })
})

t.test('whoever comes first makes the registry', async (t) => {
  for (const user of ['gateway', 'runner', 'deployer']) {
    const bus = await openBus(t, user, await startServer(t, folderWith(t, {})))
    t.ok(await Registry.open(bus, subjectsIn('callgate'), { replicas: 1 }), user)
  }
})

t.test('calls of every form', async (t) => {
  await system.serveExamples('echo', 'tokens', 'digest', 'chat')
  t.equal(await (await system.post('/echo', 'hi')).text(), 'hi')

  const headers = { accept: 'application/x-ndjson' }
  const stream = await system.post('/tokens', { count: 50 }, { headers })
  t.equal((await stream.text()).trim().split('\n').length, 50)

  const upload = await system.fetch('/digest', { method: 'POST', body: Buffer.alloc(4 << 20) })
  t.match(await upload.json(), { bytes: 4 << 20 })

  const authorization = await system.authorization()
  const socket = await SocketClient.open(t, `${system.url}/chat`, { headers: { authorization } })
  await socket.send('hello')
  t.equal(await socket.next(), 'hello')
  await socket.close(1000)
})

t.test('a client that leaves cancels its call', async (t) => {
  let onCancelled = () => {}
  const cancelled = new Promise<void>((resolve) => {
    onCancelled = resolve
  })
  await system.serve(
    defineFunction({
      name: 'endless',
      run: async function* (_input, { signal }) {
        yield 'begun'
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        onCancelled()
      },
    }),
  )
  const leaving = new AbortController()
  const headers = { accept: 'text/event-stream' }
  const answer = await system.post('/endless', null, { headers, signal: leaving.signal })
  await answer.body!.getReader().read()
  leaving.abort()
  await cancelled
  await system.atRest('endless')
  t.pass()
})

t.test('a function that is deployed while the gateway watches, and run by another', async (t) => {
  const env = {
    CALLGATE_NATS_URL: address,
    CALLGATE_NATS_USER: 'deployer',
    CALLGATE_NATS_PASSWORD: PASSWORD,
  }
  const run = async (...args: string[]) => {
    const { status, stderr } = await runCommand(args, { cwd: folder, env })
    t.equal(status, 0, `${args[0]} ${stderr}`)
  }
  await run('deploy', 'late.js')
  await system.until('late', ({ isRegistered }) => isRegistered)
  await system.serveFile(join(folder, 'late.js'), as('worker'), { register: false })
  t.equal(await (await fetch(`${system.url}/late`)).text(), 'late')
  await run('deploy', 'late.js', '--version', 'v2', '--weight', '10')
  await run('traffic', 'late')
  await run('promote', 'late', 'v2')
  await run('rollback', 'late')
  await run('undeploy', 'late')
  await system.until('late', ({ isRegistered }) => !isRegistered)
})

t.test('a client of another process', async (t) => {
  const client = await connect(as('client'))
  t.teardown(() => client.close())
  t.equal(await client.call('echo', 'hi'), 'hi')
  const values: unknown[] = []
  for await (const value of client.stream('tokens', { count: 5 })) values.push(value)
  t.equal(values.length, 5)
})

t.test('nothing of all this was refused', async (t) => {
  await system.gateway.close()
  await deployer.flush()
  t.same(violations(), [])
})

t.test('a runner of one function cannot announce itself for another', async (t) => {
  const bus = await openBus(t, 'one')
  for (const name of ['own', 'other']) {
    const announcement = encodeAnnouncement({
      protocol: 1,
      runner: 'r',
      function: name,
      version: 'main',
      state: 'ready',
      slots: 1,
      busyBy: {},
      host: 'h',
      pid: 1,
      startedAt: new Date(0).toISOString(),
    })
    bus.publish(subjectsIn('callgate').announce(name, 'r'), announcement)
  }
  await bus.flush()
  await until(() => violations().length > 0)
  t.match(violations(), [/callgate\.announce\.other\.r/])
  t.ok(isAbout(violations()[0]!, 'one'))
})

t.test('nor can who only calls or runs change a route', async (t) => {
  for (const user of ['client', 'worker']) {
    const bus = await openBus(t, user)
    bus.publish('$KV.callgate_functions.echo', Buffer.from('{}'))
    await bus.flush()
    await until(() => violations('one').some((line) => isAbout(line, user)))
  }
  t.same(await registry.get('echo').then((manifest) => manifest?.name), 'echo')
})
