// What a NATS server has against the registry, as sentences. They were told as a bug in Callgate, with a stack;
// or as JetStream that is not enabled, whatever it was.

import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { startConfiguredNats } from '../support/configured-nats.js'
import { folderWith } from '../support/folder.js'
import { runCommand, startCommand } from './command.js'

const HELLO = `import { defineFunction } from 'callgate'; export default defineFunction({ run: () => 1 })`

async function start(t: Test, config: (store: string) => string) {
  const folder = folderWith(t, { 'hello.js': HELLO, 'other.js': HELLO })
  const natsUrl = await startConfiguredNats(t, folder, config(JSON.stringify(folder)))
  return {
    options: { cwd: folder, env: { CALLGATE_NATS_URL: natsUrl, CALLGATE_PORT: '0' } },
    deploy: (env: Record<string, string> = {}, file = 'hello.js') =>
      runCommand(['deploy', file], {
        cwd: folder,
        env: { CALLGATE_NATS_URL: natsUrl, ...env },
      }),
  }
}

t.test('a server without JetStream', async (t) => {
  const { deploy } = await start(t, () => '')
  t.match(await deploy(), {
    status: 1,
    stderr:
      /^callgate: The function registry cannot be opened \(.*\)\. JetStream must be enabled on the NATS server: nats-server --jetstream\.\n$/,
  })
})

t.test('a store that is full', async (t) => {
  const { deploy, options } = await start(t, (store) => `jetstream { store_dir: ${store} }`)
  const connection = await connect({ servers: options.env.CALLGATE_NATS_URL })
  await new Kvm(connection).create('callgate_functions', { history: 8, max_bytes: 100 })
  await connection.close()
  const full =
    /^callgate: The function registry cannot be changed \(.*exceeded.*\)\. The log of nats-server may say more\./
  t.match(await deploy(), { status: 1, stderr: full })
  const runner = startCommand(t, ['runner', 'hello.js'], options)
  await runner.printed(/Trying again/)
  t.match(runner.stderr, full)
  t.notMatch(runner.output, '    at ')
})

t.test('permissions that are missing', async (t) => {
  const publish = [
    '$JS.API.INFO',
    '$JS.API.STREAM.INFO.KV_callgate_functions',
    '$JS.API.STREAM.CREATE.KV_callgate_functions',
    '$JS.API.CONSUMER.*.KV_callgate_functions.>',
    '$KV.callgate_functions.>',
  ]
  const user = (without: number) =>
    JSON.stringify({
      user: `without${without}`,
      password: 'x',
      permissions: { publish: publish.filter((_, index) => index !== without) },
    })
  const users = [-1, 0, 1, 3, 4].map(user).join()
  const { deploy, options } = await start(
    t,
    (store) => `jetstream { store_dir: ${store} }\nauthorization { users: [ ${users} ] }`,
  )
  const as = (without: number) => ({
    CALLGATE_NATS_USER: `without${without}`,
    CALLGATE_NATS_PASSWORD: 'x',
  })
  const gateway = startCommand(t, ['gateway', '--host', '127.0.0.1', '--admin-port', '0'], {
    ...options,
    env: { ...options.env, ...as(-1) },
  })
  await gateway.printed(/gateway listening/)
  t.match(await deploy(as(-1), 'other.js'), { status: 0 })
  for (const [without, verb] of [
    [0, 'opened'],
    [1, 'opened'],
    [3, 'changed'],
    [4, 'changed'],
  ] as const) {
    const { status, stderr } = await deploy(as(without))
    t.equal(status, 1)
    t.ok(
      stderr.startsWith(`callgate: The function registry cannot be ${verb}: NATS does not let`),
      stderr,
    )
    t.ok(stderr.includes(` permission to publish on ${publish[without]};`), stderr)
  }
})
