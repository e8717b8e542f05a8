import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { withRegistry } from '../../cli/registry-session.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'
import { runCommand } from './command.js'

const withRoutes = (...routes: string[]) => `
  import { defineFunction } from 'callgate'
  setInterval(() => {}, 1000) // what a file starts does not keep the command
  export default defineFunction({ route: ${JSON.stringify(routes)}, run: () => 1 })
`

t.test('deploy and undeploy', async (t) => {
  const { url } = await startTestNats(t)
  const folder = folderWith(t, {
    'cats.js': withRoutes('GET /cats', 'GET /cats/:id'),
    'dogs.js': withRoutes('GET /dogs'),
  })
  const env = { CALLGATE_NATS_URL: url }
  const run = (...args: string[]) => runCommand(args, { cwd: folder, env })
  const config = readConfig(natsSettings, { natsUrl: url }, {})
  const registered = () =>
    withRegistry(config, async (registry) =>
      [...(await registry.list()).values()]
        .map(({ manifest: { name, routes } }) => [name, ...routes])
        .sort(),
    )

  await t.test('the routes that change are printed', async (t) => {
    t.same(await run('deploy', 'cats.js', 'dogs.js'), {
      status: 0,
      stdout: 'cats\n  + GET /cats\n  + GET /cats/:id\ndogs\n  + GET /dogs\n',
      stderr: '',
    })
    writeFileSync(join(folder, 'cats.js'), withRoutes('GET /cats', 'POST /cats'))
    const { stdout } = await run('deploy', 'cats.js')
    t.equal(stdout, 'cats\n  + POST /cats\n  - GET /cats/:id\n    GET /cats\n')
    t.same(await registered(), [
      ['cats', 'GET /cats', 'POST /cats'],
      ['dogs', 'GET /dogs'],
    ])
  })

  await t.test('a route that another function has is refused, and all with it', async (t) => {
    writeFileSync(join(folder, 'new.js'), withRoutes('GET /new'))
    writeFileSync(join(folder, 'thief.js'), withRoutes('GET /dogs', 'POST /cats'))
    const { status, stdout, stderr } = await run('deploy', 'new.js', 'thief.js')
    t.same({ status, stdout }, { status: 1, stdout: '' })
    t.match(
      stderr,
      /^callgate: Nothing was deployed: GET \/dogs of thief belongs to dogs; POST \/cats of thief belongs to cats\. .*\n$/,
    )
    t.equal((await registered()).length, 2)
  })

  await t.test('two functions of one name, and what cannot be deployed, are refused', async (t) => {
    writeFileSync(join(folder, 'badroute.js'), withRoutes('GET nowhere'))
    const [twins, badRoute] = await Promise.all([
      run('deploy', 'dogs.js', './dogs.js'),
      run('deploy', 'new.js', 'badroute.js'),
    ])
    t.match(twins, {
      status: 1,
      stderr: 'callgate: Two of the files are called dogs: nothing was deployed.\n',
    })
    t.match(badRoute, {
      status: 1,
      stderr: /^callgate: badroute\.js: .*path must begin with a slash.*\n$/,
    })
    t.equal((await registered()).length, 2)
  })

  await t.test('undeploy takes all or none', async (t) => {
    const none = await run('undeploy', 'cats', 'no such')
    t.match(none, { status: 1, stdout: '', stderr: /There is no function no such in the registry/ })
    t.equal((await registered()).length, 2)
    const { status, stdout } = await run('undeploy', 'cats', 'dogs')
    t.same(
      { status, stdout },
      { status: 0, stdout: 'cats\n  - GET /cats\n  - POST /cats\ndogs\n  - GET /dogs\n' },
    )
    t.same(await registered(), [])
  })
})
