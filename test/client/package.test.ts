// The package as npm makes it, in a project of somebody else's: with what it declares as its dependencies,
// and nothing that only this repository has.

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'

const run = promisify(execFile)

const CONSUMER = `
  import { type CallContext, defineFunction, PublicError } from 'callgate'
  import { CallError, type Client, connect, type ErrorCode } from 'callgate/client'

  export default defineFunction({
    route: 'POST /x',
    load: () => ({ weights: [1] }),
    run: async (input, { model, signal }: CallContext<{ weights: number[] }>) => {
      if (signal.aborted) throw new PublicError('conflict', 'No.')
      return [input, model.weights]
    },
  })

  export async function use(): Promise<ErrorCode | unknown> {
    const client: Client = await connect({ natsUrl: 'nats://127.0.0.1:1', queueWaitMs: 5 })
    try {
      for await (const value of client.stream('x', 1)) console.log(value)
      return await client.call('x', { a: 1 }, { timeoutMs: 5, signal: AbortSignal.timeout(5) })
    } catch (error) {
      return error instanceof CallError ? error.code : undefined
    } finally {
      await client.close()
    }
  }
  // @ts-expect-error: the types are there, and not \`any\`
  export const wrong = () => connect({ natsUrl: 4222 })
`

t.test('the package works in another project', async (t) => {
  const root = repositoryRoot()
  const project = folderWith(t, {
    'package.json': '{ "type": "module" }',
    'consumer.ts': CONSUMER,
    'import.js': `
      import { defineFunction } from 'callgate'
      import { connect } from 'callgate/client'
      console.log(typeof defineFunction, typeof connect)`,
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        ...{ module: 'nodenext', strict: true, noEmit: true, skipLibCheck: true },
        ...{ target: 'es2023', lib: ['es2023'], types: ['node'], exactOptionalPropertyTypes: true },
      },
      include: ['consumer.ts'],
    }),
  })
  await install(t, root, project)
  const { NODE_OPTIONS: _, ...env } = process.env
  const node = async (...args: string[]) =>
    (await run(process.execPath, args, { cwd: project, env })).stdout

  await t.test('its modules are found', async (t) => {
    t.equal(await node('import.js'), 'function function\n')
  })

  await t.test('its types are found', async (t) => {
    await t.resolves(
      node(join(root, 'node_modules/typescript/bin/tsc')).catch(({ stdout }) => {
        throw new Error(stdout)
      }),
    )
  })

  await t.test('its command runs a function of the project', async (t) => {
    const { url } = await startTestNats(t)
    const callgate = join(project, 'node_modules/callgate/dist/cli/main.js')
    t.equal(
      await node(callgate, 'deploy', 'consumer.ts', '--nats-url', url),
      'consumer\n  + POST /x\n',
    )
  })
})

/** What `npm install` does, without a registry. */
async function install(t: Test, root: string, project: string): Promise<void> {
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', project],
    { cwd: root },
  )
  const [{ filename, files }] = JSON.parse(stdout) as [
    { filename: string; files: { path: string }[] },
  ]
  const foreign = files
    .map(({ path }) => path)
    .filter((path) => /(^|\/)(test|loadtest|node_modules)\/|\.tsbuildinfo$/.test(path))
  t.same(foreign, [], 'nothing in it that only this repository needs')

  const modules = join(project, 'node_modules')
  mkdirSync(join(modules, 'callgate'), { recursive: true })
  await run('tar', [
    '-xzf',
    join(project, filename),
    '-C',
    join(modules, 'callgate'),
    '--strip-components=1',
  ])
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const name of [...Object.keys(dependencies), '@types/node']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
}

// Compiled, this file lies deeper than its source.
function repositoryRoot(): string {
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return directory
}
