import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { folderWith } from '../support/folder.js'

const FUNCTION = `import { defineFunction } from 'callgate'\n`
const NAME = `import { name } from './lib/name.js'\n`
const RUN = 'export default defineFunction({ run: () => name })\n'

interface Loaded {
  readonly defaultName?: string
  readonly value?: unknown
  readonly error?: string
  readonly files: readonly string[]
}

/**
 * Loads the first file of each folder. In one process of its own, because hooks of the module loader are
 * there for good.
 */
async function loadAll(t: Test, folders: Record<string, string>[]): Promise<Loaded[]> {
  const paths = folders.map((files) => [folderWith(t, files), Object.keys(files)[0]!])
  const module = new URL('../../runner/load-function.js', import.meta.url)
  const source = `
    const { loadFunction } = await import(${JSON.stringify(module)})
    for (const [folder, file] of ${JSON.stringify(paths)}) {
      const files = new Set()
      const onImport = (path) => path.startsWith(folder) && files.add(path)
      const result = await loadFunction(folder + '/' + file, onImport).then(
        async ({ definition, defaultName }) => ({ defaultName, value: await definition.run() }),
        (error) => ({ error: error.message }))
      const text = JSON.stringify({ ...result, files: [...files] })
      console.log(text.replaceAll(folder + '/', ''))
    }
    process.exit()
  `
  const { NODE_OPTIONS: _, ...env } = process.env
  const args = ['--input-type=module', '--eval', source]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env })
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

const forms: Record<string, Record<string, string>> = {
  'TypeScript without any package.json': {
    'hello.ts': `${FUNCTION}import { name } from './lib/name.js'\nenum A { one = 1 }\n${RUN}`,
    'lib/name.ts': 'export const name: string = "ok"',
  },
  'JavaScript without any package.json': {
    'hello.js': FUNCTION + NAME + RUN,
    'lib/name.js': 'export const name = "ok"',
  },
  'an .mjs file': { 'hello.mjs': FUNCTION + NAME + RUN, 'lib/name.js': 'export const name = "ok"' },
  'a package of type commonjs, as npm init makes it': {
    'hello.ts': FUNCTION + NAME + RUN,
    'package.json': '{ "type": "commonjs" }',
    'lib/name.ts': 'export const name = "ok"',
  },
  'a package of type module': {
    'hello.ts': FUNCTION + NAME + RUN,
    'package.json': '{ "type": "module" }',
    'lib/name.ts': 'export const name = "ok"',
  },
  'an import of an older module, without extension, and of JSON': {
    'hello.ts': `${FUNCTION}import old from './lib/old.js'\nimport { name as a } from './lib/name'
      import json from './lib/data.json' with { type: 'json' }
      const name = old.o + a + json.k\n${RUN}`,
    // Without it, a package.json further up might call every script a module.
    'package.json': '{}',
    'lib/old.js': 'const path = require("node:path"); module.exports = { o: path.basename("/o") }',
    'lib/name.ts': 'export const name = "k"',
    'lib/data.json': '{ "k": "" }',
  },
  'callgate/client': {
    'hello.js': `${FUNCTION}import { connect } from 'callgate/client'
      const name = typeof connect === 'function' ? 'ok' : 'no'\n${RUN}`,
  },
}
t.test('a function is loaded from', async (t) => {
  const loaded = await loadAll(t, Object.values(forms))
  for (const [form, files] of Object.entries(forms)) {
    const { files: seen, ...result } = loaded.shift()!
    t.same(result, { defaultName: 'hello', value: 'ok' }, form)
    const sources = Object.keys(files).filter((name) => name !== 'package.json')
    t.same([...seen].sort(), sources.sort(), 'and every file of it is reported')
  }
})

t.test('JavaScript is imported as Node does it', async (t) => {
  const [typescript, json] = await loadAll(t, [
    {
      'hello.mjs': `${FUNCTION}import { name } from './name.ts'\n${RUN}`,
      'name.ts': 'export const name: string = "ok"',
    },
    {
      'hello.mjs': `${FUNCTION}import name from './name.json' with { type: 'json' }\n${RUN}`,
      'name.json': '"ok"',
    },
  ])
  t.equal(json!.value, 'ok')
  if ('typescript' in process.features && process.features.typescript) {
    t.equal(typescript!.value, 'ok')
  } else {
    t.match(
      typescript!.error,
      /^hello\.mjs cannot be imported: Unknown file extension "\.ts" for name\.ts: only a function in TypeScript may import TypeScript$/,
    )
  }
})

const faults: Record<string, { files: Record<string, string>; error: RegExp; reported: string[] }> =
  {
    'a syntax error in TypeScript': {
      files: { 'a.ts': `${FUNCTION}export default {{` },
      error: /^a\.ts cannot be imported: Expected .* \(a\.ts:2:\d+\)$/,
      reported: ['a.ts'],
    },
    'a syntax error in JavaScript': {
      files: { 'a.js': `${FUNCTION}export default {{` },
      error: /^a\.js cannot be imported: Unexpected (token|end).* \(a\.js:\d\)$/,
      reported: ['a.js'],
    },
    'a syntax error in an import': {
      files: { 'a.ts': FUNCTION + NAME + RUN, 'lib/name.ts': 'export const name = = 1' },
      error: /^a\.ts cannot be imported: Unexpected "=" \(lib\/name\.ts:1:\d+\)$/,
      reported: ['a.ts', 'lib/name.ts'],
    },
    'an error that is thrown on import': {
      files: { 'a.ts': `${FUNCTION}type A = string\n\nthrow new Error('no model\\n  here')` },
      error: /^a\.ts cannot be imported: no model here \(a\.ts:4:\d+\)$/,
      reported: ['a.ts'],
    },
    'an import that is not there': {
      files: { 'a.ts': FUNCTION + NAME + RUN },
      error: /^a\.ts cannot be imported: Cannot find module 'lib\/name\.js' imported from a\.ts$/,
      reported: ['a.ts', 'lib/name.js', 'lib/name.ts'],
    },
    'a package that is not there': {
      files: { 'a.ts': `${FUNCTION}import 'no-such-package'` },
      error:
        /^a\.ts cannot be imported: Cannot find package 'no-such-package' imported from a\.ts$/,
      reported: ['a.ts'],
    },
    'a name that is not exported': {
      files: { 'a.ts': FUNCTION + NAME + RUN, 'lib/name.ts': 'export const other = 1' },
      error: /^a\.ts cannot be imported: .*does not provide an export named 'name' \(a\.ts:2\)$/,
      reported: ['a.ts', 'lib/name.ts'],
    },
    'no function': {
      files: { 'a.ts': FUNCTION },
      error: /^a\.ts exports no function; add `export default defineFunction/,
      reported: ['a.ts'],
    },
    'two functions': {
      files: {
        'a.ts': `${FUNCTION}const f = { run: () => 1 }
          export const a = defineFunction(f); export const b = defineFunction(f)`,
      },
      error: /^a\.ts exports 2 functions; make one of them the default export\.$/,
      reported: ['a.ts'],
    },
  }
t.test('what cannot be loaded is one sentence, with the place', async (t) => {
  const folders = Object.values(faults).map(({ files }) => files)
  const loaded = await loadAll(t, folders)
  for (const [fault, { error, reported }] of Object.entries(faults)) {
    const { files, error: said } = loaded.shift()!
    t.match(said, error, fault)
    t.same([...files].sort(), reported, 'and where it can be mended is reported')
  }
})
