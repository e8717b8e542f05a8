import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { withRegistry } from '../../cli/registry-session.js'
import { connect } from '../../client/client.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'
import { runCommand, startCommand } from './command.js'

const PID = `
  import { spawn } from 'node:child_process'
  import { setTimeout } from 'node:timers/promises'
  import { defineFunction } from 'callgate'
  export default defineFunction({
    maxInputs: 10,
    run: async (waitMs) => {
      console.log('called in ' + process.pid)
      if (waitMs === 'for ever') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      if (waitMs === 'a child') return spawn('sleep', ['1000']).pid
      await setTimeout(waitMs ?? 0)
      return process.pid
    },
  })`

t.test('callgate runner', async (t) => {
  const { url } = await startTestNats(t)
  const folder = folderWith(t, { 'first.ts': PID, 'second.js': PID })
  const options = { cwd: folder, env: { CALLGATE_NATS_URL: url } }
  const client = await connect({ natsUrl: url, queueWaitMs: 600_000 })
  t.teardown(() => client.close())
  const config = readConfig(natsSettings, { natsUrl: url }, {})
  const names = () =>
    withRegistry(config, async (registry) => [...(await registry.list()).keys()].sort())

  await t.test('each file has a process, which is started again when it dies', async (t) => {
    const runner = startCommand(t, ['runner', 'first.ts', 'second.js'], options)
    const first = (await client.call('first')) as number
    t.not(await client.call('second'), first)
    t.same(await names(), ['first', 'second'], 'and both are registered')

    process.kill(first, 'SIGKILL')
    await runner.printed(
      /callgate: The runner of first\.ts ended by SIGKILL\. Trying again in \d+ ms/,
    )
    t.not(await client.call('first'), first)
  })

  await t.test('SIGTERM lets it finish; --no-register leaves the registry alone', async (t) => {
    writeFileSync(join(folder, 'quiet.js'), PID)
    const runner = startCommand(t, ['runner', 'quiet.js', '--no-register'], options)
    const answer = client.call('quiet', 500)
    await runner.printed(/called in/)
    t.same(await names(), ['first', 'second'])
    runner.kill('SIGTERM')
    t.type(await answer, 'number')
    t.equal(await runner.ended, 0)
  })

  await t.test('however long it may take to finish', async (t) => {
    // The time to drain and the grace period together were more than a timer of Node can wait: it fired at
    // once, and the calls were killed.
    const longest = String(2 ** 31 - 1)
    const args = ['runner', 'quiet.js', '--no-register', '--drain-ms', longest]
    const runner = startCommand(t, args, options)
    const answer = client.call('quiet', 500)
    await runner.printed(/called in/)
    runner.kill('SIGTERM')
    t.type(await answer, 'number')
    t.equal(await runner.ended, 0)
  })

  await t.test(
    'a signal to every process of it, as service managers send, lets it finish',
    async (t) => {
      const runner = startCommand(t, ['runner', 'quiet.js', '--no-register'], options)
      await client.call('quiet', 'a child')
      const answer = client.call('quiet', 500)
      await runner.printed(/called in[\s\S]*called in/)
      for (const pid of runner.processes().keys()) process.kill(pid, 'SIGTERM')
      t.type(await answer, 'number')
      t.equal(await runner.ended, 0)
      if (process.platform === 'linux') t.same([...runner.processes()], [], 'nothing is left of it')
    },
  )

  await t.test('killed, it leaves no process, not even one that does not yield', async (t) => {
    if (process.platform !== 'linux') return
    const runner = startCommand(
      t,
      ['runner', 'first.ts', '--drain-ms', '1', '--cancel-grace-ms', '1'],
      options,
    )
    await client.call('first', 'a child')
    t.equal(runner.pids('sleep 1000').length, 1)
    client.call('first', 'for ever').catch(() => {})
    await runner.printed(/called in[\s\S]*called in/)
    t.ok(runner.processes().size > 1)
    runner.kill('SIGKILL')
    await runner.processesGone()
  })

  await t.test(
    'a file with a fault is tried again; one that is not there is refused',
    async (t) => {
      writeFileSync(join(folder, 'broken.ts'), 'export default {{')
      const runner = startCommand(t, ['runner', 'broken.ts'], options)
      await runner.printed(
        /callgate: .*broken\.ts cannot be imported: .*\(.*broken\.ts:1:\d+\) Trying again in \d+ ms\.\n/,
      )
      writeFileSync(join(folder, 'broken.ts'), PID)
      t.type(await client.call('broken'), 'number')

      const absent = await runCommand(['runner', 'first.ts', 'a.ts', 'b.ts'], options)
      t.match(absent, { status: 2, stderr: 'callgate: a.ts, b.ts: no such file.\n' })
      const lost = await runCommand(['runner', 'first.ts', '--nats-url', '127.0.0.1:1'], options)
      t.match(lost, {
        status: 1,
        stderr: /^callgate: NATS does not answer at 127\.0\.0\.1:1 .*\n$/,
      })
    },
  )

  // A function that came first in the alphabet had the routes of another, and only the gateways' logs said so.
  await t.test('a function that wants a route of another is refused', async (t) => {
    const taking = (options: string) =>
      `import { defineFunction } from 'callgate'; export default defineFunction({ ${options} run: () => 1 })`
    writeFileSync(join(folder, 'owner.js'), taking(`route: ['GET /own', 'GET /own/:id'],`))
    writeFileSync(join(folder, 'aaa.js'), taking(`route: ['GET /aaa', 'GET /own/:other'],`))
    await runCommand(['deploy', 'owner.js'], options)
    const before = await names()
    const { status, stderr } = await runCommand(['runner', 'aaa.js'], options)
    t.equal(status, 1)
    t.equal(
      stderr,
      'callgate: aaa cannot be registered: GET /own/:other belongs to owner. Give one of them another route, or undeploy its owner.\n',
    )
    t.same(await names(), before)
    const owner = startCommand(t, ['runner', 'owner.js'], options)
    await owner.printed(/"msg":"runner ready"/)
  })

  await t.test('two files with one name are refused; one file twice is not', async (t) => {
    writeFileSync(join(folder, 'twin.js'), PID.replace('maxInputs', `name: 'twins', maxInputs`))
    writeFileSync(join(folder, 'other.js'), PID.replace('maxInputs', `name: 'twins', maxInputs`))
    const { status, stderr } = await runCommand(['runner', 'twin.js', 'other.js'], options)
    t.equal(status, 1)
    t.match(
      stderr,
      /^callgate: (twin|other)\.js and (twin|other)\.js are both called twins: give one of them another `name`\.\n$/,
    )
    const both = startCommand(t, ['runner', 'twin.js', './twin.js'], options)
    await both.printed(/runner ready[\s\S]*runner ready/)
  })
})
