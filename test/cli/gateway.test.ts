import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'
import { runCommand, startCommand } from './command.js'

const HELLO = `
  import { defineFunction } from 'callgate'
  export default defineFunction({ route: 'GET /hello', auth: 'public', run: () => 'Hello' })`
const WAIT = `
  import { defineFunction } from 'callgate'
  export default defineFunction({
    route: 'GET /wait',
    auth: 'public',
    maxInputs: 4,
    run: (_, { signal }) => {
      console.log('waiting')
      return new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  })`

t.test('callgate gateway', async (t) => {
  const { url } = await startTestNats(t)
  const folder = folderWith(t, { 'hello.js': HELLO, 'wait.js': WAIT })
  const options = {
    cwd: folder,
    env: { CALLGATE_NATS_URL: url, CALLGATE_PORT: '0', CALLGATE_ADMIN_PORT: '0' },
  }
  const gateway = startCommand(t, ['gateway', '--host', '127.0.0.1'], options)
  const [, address] = await gateway.printed(/"url":"(http:[^"]+)"/)

  const runner = startCommand(t, ['runner', 'wait.js'], options)

  await t.test(
    'a deploy is live without a restart, and answers when a runner is there',
    async (t) => {
      t.equal((await fetch(`${address}/hello`)).status, 404)
      await runCommand(['deploy', 'hello.js'], options)
      startCommand(t, ['runner', 'hello.js'], options)
      // The gateway hears of it from NATS, a moment after the command has.
      let response = await fetch(`${address}/hello`)
      while (response.status === 404) response = await fetch(`${address}/hello`)
      t.equal(await response.text(), 'Hello')
    },
  )

  await t.test('a taken port is one sentence', async (t) => {
    const port = new URL(address!).port
    const second = await runCommand(['gateway', '--host', '127.0.0.1', '--port', port], options)
    t.match(second, { status: 1, stderr: new RegExp(`^callgate: .*${port}.*taken.*\\n$`) })
  })

  // Both were told to be a port that is taken.
  await t.test('an address that is none of this machine is one sentence', async (t) => {
    const start = (...flags: string[]) => runCommand(['gateway', '--port', '0', ...flags], options)
    const [unknown, foreign, admin] = await Promise.all([
      start('--host', 'no-such-host.invalid'),
      start('--host', '192.0.2.1'),
      start('--host', '127.0.0.1', '--admin-host', '192.0.2.1'),
    ])
    t.match(unknown, {
      status: 1,
      stderr: /^callgate: The address no-such-host\.invalid cannot be found: --host .*\n$/,
    })
    const isForeign = /^callgate: The address 192\.0\.2\.1 is not one of this machine\./
    t.match(foreign, { status: 1, stderr: isForeign })
    t.match(admin, { status: 1, stderr: isForeign })
    t.match(admin.stderr, /--admin-host\.\n$/)
  })

  await t.test('a key file that is not there is a fault of the configuration', async (t) => {
    const { status, stderr } = await runCommand(['gateway', '--jwt-key-file', 'no.pem'], options)
    t.equal(status, 2)
    t.match(stderr, /^ {2}CALLGATE_JWT_KEY_FILE: ENOENT: no such file .*'no\.pem'$/m)
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    await t.test(`a second ${signal} ends it at once, with a call in flight`, async (t) => {
      const waiting = startCommand(t, ['gateway', '--host', '127.0.0.1'], options)
      const [, url] = await waiting.printed(/"url":"(http:[^"]+)"/)
      const from = runner.stdout.length
      const failed = fetch(`${url}/wait`).then(
        ({ status }) => status,
        () => 'cut',
      )
      await runner.printed(/waiting/, from)
      waiting.kill(signal)
      await waiting.printed(/gateway draining/)
      t.equal(waiting.child.exitCode, null)
      waiting.kill(signal)
      t.equal(await waiting.ended, 130)
      t.equal(await failed, 'cut')
    })
  }

  await t.test('SIGTERM ends it with status 0', async (t) => {
    gateway.kill('SIGTERM')
    t.equal(await gateway.ended, 0)
  })
})

t.test('a signal ends a start at once, with status 0', async (t) => {
  // It was looked at when the start was over: one that waited for a NATS that does not answer ended later,
  // and with a failure.
  const silent = createServer()
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const { port } = silent.address() as AddressInfo
  const folder = folderWith(t, { 'hello.js': HELLO })
  const env = {
    CALLGATE_NATS_URL: `nats://127.0.0.1:${port}`,
    CALLGATE_PORT: '0',
    CALLGATE_ADMIN_PORT: '0',
  }
  for (const args of [
    ['gateway', '--host', '127.0.0.1'],
    ['runner', 'hello.js'],
  ]) {
    const connected = once(silent, 'connection')
    const command = startCommand(t, args, { cwd: folder, env })
    const [socket] = await connected
    command.kill('SIGTERM')
    t.equal(await command.ended, 0, args.join(' '))
    t.equal(command.stderr, '')
    socket.destroy()
  }
})
