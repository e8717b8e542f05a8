import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { openDevelopmentKey } from '../../cli/development-key.js'
import { folderWith } from '../support/folder.js'
import { runCommand, startCommand } from './command.js'

const HELLO = `
  import { defineFunction } from 'callgate'
  export default defineFunction({ route: 'GET /hello', run: (_, { principal }) => principal })`
const FREE_PORTS = { CALLGATE_PORT: '0', CALLGATE_ADMIN_PORT: '0' }
const isLinux = process.platform === 'linux'

t.jobs = 2

t.test('a second dev, and one that was killed', async (t) => {
  const cwd = folderWith(t, { 'hello.js': HELLO })
  const options = { cwd, env: FREE_PORTS }
  const first = startCommand(t, ['dev'], options)
  await first.printed(/Callgate is up/)
  const second = await runCommand(['dev'], options)
  t.match(second, {
    status: 1,
    stderr: /^callgate: A nats-server of Callgate \(pid \d+\) already uses .*\n$/,
  })

  if (!isLinux) return
  t.not(first.pids('nats-server.conf').length, 0)
  t.not(first.pids('hello.js').length, 0)
  first.kill('SIGKILL')
  await first.processesGone()
  t.equal(await first.ended, 'SIGKILL')
})

t.test('told to stop while it starts, it leaves nothing', async (t) => {
  const cwd = folderWith(t, {
    'slow.js': `${HELLO}\nawait new Promise(() => setInterval(() => {}, 1000))`,
  })
  const dev = startCommand(t, ['dev', 'slow.js'], { cwd, env: FREE_PORTS })
  await dev.printed(/gateway listening/)
  dev.kill('SIGINT')
  t.equal(await dev.ended, 0)
  // The watchdog of nats-server hears of its end in its own time.
  if (isLinux) await dev.processesGone()
})

t.test('what it cannot start with is one sentence', async (t) => {
  const cwd = folderWith(t, { 'hello.js': HELLO })
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const port = String((server.address() as AddressInfo).port)

  const taken = await runCommand(['dev', '--port', port], { cwd, env: FREE_PORTS })
  t.equal(taken.status, 1)
  t.match(taken.stderr, new RegExp(`^callgate: .*${port}.*taken.*\\n$`))
  const absent = await runCommand(['dev', 'nowhere'], { cwd })
  t.match(absent, { status: 2, stderr: /^callgate: .*nowhere does not exist\.\n$/ })
  const wrong = await runCommand(['dev', '--port', 'x'], { cwd, env: { CALLGATE_LOG_FORMAT: 'y' } })
  t.match(wrong, { status: 2, stderr: /--port: [\s\S]*CALLGATE_LOG_FORMAT: / })
})

t.test('keys of the user; an empty folder; a nats-server that dies', async (t) => {
  const cwd = folderWith(t, { 'keys/readme': '', 'functions/readme': '' })
  const key = await openDevelopmentKey(join(cwd, 'keys'))
  const env = {
    ...FREE_PORTS,
    CALLGATE_JWKS_FILE: key.jwksFile,
    CALLGATE_ISSUER: 'us',
    CALLGATE_VERSION: 'abc',
  }
  const dev = startCommand(t, ['dev', 'functions'], { cwd, env })
  const [, url] = await dev.printed(
    /public +(http:\S+)[\s\S]*none yet[\s\S]*token: one that your own keys/,
  )

  writeFileSync(join(cwd, 'functions/hello.js'), HELLO)
  await dev.printed(/hello is live: GET \/hello/)
  const token = await key.sign({ subject: 'ann', ttl: '1h', issuer: 'us' })
  const response = await fetch(`${url}/hello`, { headers: { authorization: `Bearer ${token}` } })
  t.match(await response.json(), { subject: 'ann' })
  t.notMatch(dev.stdout, /eyJ/, 'it makes no token that would not be accepted')

  if (!isLinux) return
  for (const pid of dev.pids('nats-server -c')) process.kill(pid, 'SIGKILL')
  t.equal(await dev.ended, 1)
  t.match(dev.stderr, /^callgate: nats-server has ended; .*nats-server\.log may say why\.\n$/)
  await dev.processesGone()
})
