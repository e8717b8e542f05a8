import t from 'tap'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'
import { runCommand, startCommand } from './command.js'

const HELLO = `
  import { defineFunction } from 'callgate'
  export default defineFunction({ route: 'GET /hello', auth: 'public', run: () => 'Hello' })`

t.test('callgate gateway', async (t) => {
  const { url } = await startTestNats(t)
  const folder = folderWith(t, { 'hello.ts': HELLO })
  const options = {
    cwd: folder,
    env: { CALLGATE_NATS_URL: url, CALLGATE_PORT: '0', CALLGATE_ADMIN_PORT: '0' },
  }
  const gateway = startCommand(t, ['gateway', '--host', '127.0.0.1'], options)
  const [, address] = await gateway.printed(/"url":"(http:[^"]+)"/)

  await t.test(
    'a deploy is live without a restart, and answers when a runner is there',
    async (t) => {
      t.equal((await fetch(`${address}/hello`)).status, 404)
      await runCommand(['deploy', 'hello.ts'], options)
      startCommand(t, ['runner', 'hello.ts'], options)
      const response = await fetch(`${address}/hello`)
      t.equal(await response.text(), 'Hello')
    },
  )

  await t.test('a taken port is one sentence', async (t) => {
    const port = new URL(address!).port
    const second = await runCommand(['gateway', '--host', '127.0.0.1', '--port', port], options)
    t.match(second, { status: 1, stderr: new RegExp(`^callgate: .*${port}.*taken.*\\n$`) })
  })

  await t.test('a key file that is not there is one sentence', async (t) => {
    const { status, stderr } = await runCommand(['gateway', '--jwt-key-file', 'no.pem'], options)
    t.equal(status, 1)
    t.match(stderr, /^callgate: ENOENT: no such file or directory, open 'no\.pem'\n$/)
  })

  await t.test('SIGTERM ends it with status 0', async (t) => {
    gateway.kill('SIGTERM')
    t.equal(await gateway.ended, 0)
  })
})
