import { execFile } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { folderWith } from '../support/folder.js'
import { startCommand } from './command.js'

const sh = promisify(execFile)

const greeting = (word: string) => `
  import { setTimeout } from 'node:timers/promises'
  import { defineFunction } from 'callgate'
  import { name } from './lib/name.js'
  console.log('greeting was imported')
  export default defineFunction({
    route: 'GET /greeting', auth: 'public', maxInputs: 10,
    run: async (query) => {
      console.log('greeting was called')
      if (query.slow) await setTimeout(Number(query.slow))
      return { greeting: '${word} ' + name }
    },
  })
`
const closed = (options: string) => `
  import { defineFunction } from 'callgate'
  export default defineFunction({ ${options} run: (input) => input })
`

t.test('callgate dev, as one works with it', async (t) => {
  const folder = folderWith(t, {
    'functions/greeting.ts': greeting('Hello,'),
    'functions/lib/name.ts': 'export const name: string = "world"',
    'functions/echo.js': closed(`auth: { scope: 'echo admin' },`),
    'functions/helper.ts':
      'import type { CallContext } from "callgate"; export type C = CallContext<null>',
    'functions/greeting.test.ts': 'import { defineFunction } from "callgate"; throw new Error()',
  })
  const functions = join(folder, 'functions')
  const dev = startCommand(t, ['dev', 'functions', '--port', '0', '--admin-port', '0'], {
    cwd: folder,
  })
  const [, url] = await dev.printed(/public +(http:\S+)/)
  await dev.printed(/\n {2}curl .*POST|\n {2}curl .*-d .*\n/)
  const get = async (path: string) => {
    const response = await fetch(url + path)
    return { status: response.status, body: await response.json().catch(() => null) }
  }
  /** What it prints from now on. */
  const printedNext = (pattern: RegExp, from = dev.stdout.length) => dev.printed(pattern, from)

  t.test('the lines that it prints for pasting work, token and all', async (t) => {
    const lines = dev.stdout.split('\n').filter((line) => line.startsWith('  curl '))
    t.equal(lines.length, 2)
    const answers = lines.map(async (line) => (await sh('sh', ['-c', `${line} -sS`])).stdout)
    t.same(await Promise.all(answers), ['{"greeting":"Hello, world"}', '{"message":"hi"}'])
    const [, admin] = await dev.printed(/admin +(http:\S+)/)
    t.ok((await fetch(admin!)).ok)
  })

  t.test('only scripts that export a function are run, and their output is seen', async (t) => {
    const rows = [...dev.stdout.matchAll(/^ {4}(\w+ \/\S+) +(\w+)/gm)].map(([, route]) => route)
    t.same(rows, ['POST /echo', 'GET /greeting'])
    await dev.printed(/greeting was imported/)
    await get('/greeting')
    await dev.printed(/greeting was called/)
  })

  t.test('a saved file gives the new answer; a call that is under way is not lost', async (t) => {
    const called = printedNext(/greeting was called/)
    const underWay = get('/greeting?slow=400')
    await called
    writeFileSync(join(functions, 'greeting.ts'), greeting('Good day,'))
    // One after the other: while the old process leaves, while there is none, and with the new one.
    for (;;) {
      const { status, body } = await get('/greeting')
      if (status !== 200) t.fail(`a call was lost: ${JSON.stringify(body)}`)
      if (status !== 200 || body.greeting === 'Good day, world') break
    }
    t.same(await underWay, { status: 200, body: { greeting: 'Hello, world' } })
  })

  t.test('a changed import restarts, also when its folder is another', async (t) => {
    const from = dev.stdout.length
    rmSync(join(functions, 'lib'), { recursive: true })
    await dev.printed(/lib\/name/, from)
    mkdirSync(join(functions, 'lib'))
    writeFileSync(join(functions, 'lib/name.ts'), 'export const name = "sun"')
    await dev.printed(/greeting is live/, from)
    while ((await get('/greeting')).status === 503);
    t.same((await get('/greeting')).body, { greeting: 'Good day, sun' })
  })

  t.test('a fault in an import is named there, and mended there', async (t) => {
    const from = dev.stdout.length
    // As many editors save: another file takes the name.
    const replace = (text: string) => {
      writeFileSync(join(folder, 'new'), text)
      renameSync(join(folder, 'new'), join(functions, 'lib/name.ts'))
    }
    replace('export const name = = 1')
    const [said] = await dev.printed(/.*\nMend it and save it\.\n/, from)
    const sentence =
      /^functions\/greeting\.ts cannot be imported: .* \(functions\/lib\/name\.ts:1:\d+\)\n/
    t.match(said, sentence)
    t.equal(dev.stderr, '', 'and no stack')
    t.match(await get('/greeting'), { status: 503, body: { code: 'load_failed' } })
    replace('export const name = "star"')
    await dev.printed(/greeting is live/, from)
    while ((await get('/greeting')).status === 503);
    t.same((await get('/greeting')).body, { greeting: 'Good day, star' })
  })

  t.test('a `load` that throws is told, answered with 503, mended, and taken away', async (t) => {
    const from = dev.stdout.length
    const loading = (load: string) => closed(`auth: 'public', route: 'GET /model', load: ${load}, `)
    const file = join(functions, 'model.ts')
    writeFileSync(file, loading(`() => { throw new Error('no weights') }`))
    const [said] = await dev.printed(/.*\nMend it and save it\.\n/, from)
    t.match(said, /^functions\/model\.ts: `load` failed: no weights\n/)
    t.match(await get('/model'), { status: 503, body: { code: 'load_failed' } })
    writeFileSync(file, loading('() => 1'))
    await dev.printed(/model is live: GET \/model/, from)
    while ((await get('/model')).status === 503);
    t.match(await get('/model'), { status: 200 })
    writeFileSync(file, loading(`() => { throw new Error('no weights') }`))
    await dev.printed(/no weights[\s\S]*no weights/, from)
    rmSync(file)
    await dev.printed(/model\.ts is gone, and its routes/, from)
    await gone('/model')
  })

  t.test('a new file is live, first empty and then filled; its scope gets a token', async (t) => {
    const from = dev.stdout.length
    writeFileSync(join(functions, 'late.ts'), '')
    writeFileSync(join(functions, 'late.ts'), closed(`auth: { scope: 'late' },`))
    await dev.printed(/late is live: POST \/late/, from)
    const [, token] = await dev.printed(/token that has its scopes, too:\n {2}(\S+)/, from)
    const response = await fetch(`${url}/late`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '[1]',
    })
    t.equal(await response.text(), '[1]')
  })

  t.test('a function that is called otherwise leaves its old routes', async (t) => {
    const from = dev.stdout.length
    writeFileSync(join(functions, 'late.ts'), closed(`name: 'later', auth: 'public', `))
    await dev.printed(/later is live: POST \/later/, from)
    await gone('/late')
    t.equal((await fetch(`${url}/later`, { method: 'POST' })).status, 204)
  })

  t.test('a file that is called otherwise keeps its function', async (t) => {
    const from = dev.stdout.length
    renameSync(join(functions, 'late.ts'), join(functions, 'renamed.ts'))
    await dev.printed(/later is live: POST \/later/, from)
    t.equal((await fetch(`${url}/later`, { method: 'POST' })).status, 204)
  })

  t.test('two files with one function name are told', async () => {
    const from = dev.stdout.length
    writeFileSync(join(functions, 'twin.ts'), closed(`name: 'later', auth: 'public', `))
    await dev.printed(/twin\.ts and \S+renamed\.ts are both called later/, from)
    rmSync(join(functions, 'twin.ts'))
    await dev.printed(/twin\.ts is gone/, from)
  })

  // Whose name came first in the alphabet had the route, and only the gateway's log said so.
  t.test('a route of another function is told, and mended in either file', async (t) => {
    const from = dev.stdout.length
    const file = join(functions, 'again.ts')
    const route = `auth: 'public', route: 'GET /greeting',`
    writeFileSync(file, closed(route))
    const [said] = await dev.printed(/.*\nMend it and save it\.\n/, from)
    t.equal(
      said,
      'functions/again.ts: again cannot be registered: GET /greeting belongs to greeting. Give one of them another route, or undeploy its owner.\nMend it and save it.\n',
    )
    t.same((await get('/greeting')).body, { greeting: 'Good day, star' })
    writeFileSync(file, closed(`auth: 'public', route: 'GET /again',`))
    await dev.printed(/again is live: GET \/again/, from)

    writeFileSync(file, closed(route))
    await dev.printed(/cannot be registered[\s\S]*cannot be registered/, from)
    writeFileSync(
      join(functions, 'greeting.ts'),
      greeting('Good day,').replace('GET /greeting', 'GET /day'),
    )
    await dev.printed(/again is live: GET \/greeting/, from)
    await dev.printed(/greeting is live: GET \/day/, from)
    writeFileSync(file, closed(`name: 'anew', ${route}`))
    await dev.printed(/anew is live: GET \/greeting/, from)
    t.notMatch(dev.stdout.slice(from), /anew cannot/, 'it has them from the function that it was')
    rmSync(file)
    await dev.printed(/again\.ts is gone/, from)
    await gone('/greeting')
  })

  t.test('a deleted file is undeployed', async () => {
    const from = dev.stdout.length
    rmSync(join(functions, 'renamed.ts'))
    await dev.printed(/renamed\.ts is gone, and its routes/, from)
    await gone('/later')
  })

  t.test('Ctrl-C ends it with status 0 and leaves no process', async (t) => {
    dev.kill('SIGINT')
    t.equal(await dev.ended, 0)
    // The watchdog of nats-server hears of its end in its own time.
    if (process.platform === 'linux') await dev.processesGone()
  })

  /** The gateway hears of it from the registry, a moment later. A GET is refused without a call: 405. */
  async function gone(path: string): Promise<void> {
    while ((await get(path)).status !== 404);
  }
})
