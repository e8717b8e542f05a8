import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'
import { runCommand } from './command.js'

const release = (route: string) => `
  import { defineFunction } from 'callgate'
  export default defineFunction({ name: 'release', route: ${JSON.stringify(route)}, run: () => 1 })
`

// Who names the version of every release (CALLGATE_VERSION=<commit>) has no `main`, which all of this once
// took for granted: a tenth for the new version was everything, and a rollback found nothing to go back to.
t.test('versions that all have names', async (t) => {
  const { url } = await startTestNats(t)
  const folder = folderWith(t, { 'release.js': release('GET /release') })
  const run = (...args: string[]) =>
    runCommand(args, { cwd: folder, env: { CALLGATE_NATS_URL: url } })
  const deploy = (...args: string[]) => run('deploy', 'release.js', '--version', ...args)
  const prints = async (t: Test, running: ReturnType<typeof run>, ...lines: string[]) =>
    t.same(await running, {
      status: 0,
      stdout: lines.map((line) => `${line}\n`).join(''),
      stderr: '',
    })

  await t.test('the first has all calls, the next what it is given', async (t) => {
    await prints(t, deploy('v9'), 'release', '  + GET /release')
    await prints(t, deploy('v10'), 'release', '  v10 0 %', '  v9 100 %')
    await prints(t, deploy('v10', '--weight', '10'), 'release', '  v10 10 %', '  v9 90 %')
  })

  await t.test('rollback takes the last change back, and only once', async (t) => {
    await prints(t, run('rollback', 'release'), 'release', '  v10 0 %', '  v9 100 %')
    t.match(await run('rollback', 'release'), {
      status: 1,
      stdout: '',
      stderr:
        /^callgate: release has the weights from before its last change already \(v9=100\); nothing was changed\. .* callgate traffic release version=percent\. Its latest were v9=90 v10=10\.\n$/,
    })
    await prints(t, run('traffic', 'release'), 'release', '  v10 0 %', '  v9 100 %')
  })

  await t.test('what was set twice is taken back with one rollback', async (t) => {
    await run('promote', 'release', 'v10')
    await run('promote', 'release', 'v10')
    await prints(t, run('rollback', 'release'), 'release', '  v10 0 %', '  v9 100 %')
  })

  // It was once guessed by the weights from two changes ago being those of now.
  await t.test('a change to weights that were there before is taken back as well', async (t) => {
    for (const version of ['v10', 'v9', 'v10']) await run('promote', 'release', version)
    await prints(t, run('rollback', 'release'), 'release', '  v10 0 %', '  v9 100 %')
    t.match(await run('rollback', 'release'), { status: 1, stderr: /before its last change/ })
    await prints(t, run('promote', 'release', 'v10'), 'release', '  v10 100 %', '  v9 0 %')
    await prints(t, run('rollback', 'release'), 'release', '  v10 0 %', '  v9 100 %')
  })

  await t.test('the version that has everything can be given less', async (t) => {
    await prints(t, deploy('v10', '--weight', '100'), 'release', '  v10 100 %', '  v9 0 %')
    await prints(t, deploy('v10', '--weight', '50'), 'release', '  v10 50 %', '  v9 50 %')
  })

  await t.test('but not where nobody knows who shall have the rest', async (t) => {
    await deploy('v11', '--weight', '100')
    writeFileSync(join(folder, 'release.js'), release('GET /changed'))
    t.match(await deploy('v11', '--weight', '60'), {
      status: 1,
      stdout: '',
      stderr:
        /^callgate: Nothing was deployed: v11 has all calls of release, and v10, v9 have none\. .*callgate traffic release v11=60 v10=40\.\n$/,
    })
  })

  await t.test('a version without calls can be taken out by itself', async (t) => {
    const undeploy = (version: string) => run('undeploy', 'release', '--version', version)
    t.match(await undeploy('v11'), {
      status: 1,
      stdout: '',
      stderr:
        'callgate: v11 has 100 % of the calls of release: nothing was undeployed. Give them to another version first: callgate promote release v10.\n',
    })
    t.match(await undeploy('v1'), { status: 1, stderr: /release has no version v1: nothing/ })
    await prints(t, undeploy('v9'), 'release', '  v10 0 %', '  v11 100 %')
    await prints(t, undeploy('v10'), 'release', '  v11 100 %')
    t.match(await undeploy('v11'), {
      status: 1,
      stderr: /v11 is the only version of release: .* callgate undeploy release\.\n$/,
    })
    t.match(await run('rollback', 'release'), {
      status: 1,
      stderr: /release had v9=50 v10=50 before, of which v9, v10 cannot have calls: not deployed/,
    })
  })

  await t.test('undeploy takes all of it', async (t) => {
    await prints(t, run('undeploy', 'release'), 'release', '  - GET /release')
    t.match(await run('traffic', 'release'), { status: 1, stderr: /no function release/ })
    await deploy('v12')
    t.match(await run('rollback', 'release'), { status: 1, stderr: /nothing to take back/ })
  })
})
