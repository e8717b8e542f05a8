// Who gets which runner, seen from outside: keys that stay, priorities, versions, and calls whose runner dies.

import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { runCommand } from '../cli/command.js'
import { folderWith } from '../support/folder.js'
import { functionFile, System } from '../support/system.js'

const system = await System.start(t)

t.test('calls that share a header, a parameter or a claim share a runner', async (t) => {
  const affinities = {
    header: { header: 'X-Session' },
    param: { param: 'room' },
    claim: { claim: 'tenant' },
  }
  for (const [name, affinity] of Object.entries(affinities)) {
    for (const letter of ['a', 'b', 'c']) {
      const route = `GET /${name}/:room`
      await system.serve(
        defineFunction({ name, route, affinity, maxInputs: 5, run: () => letter }),
        { version: 'main' },
      )
    }
    const homes = new Set<string>()
    for (let key = 0; key < 12; key++) {
      const token = await system.token({ claims: { tenant: key } })
      const headers = { 'x-session': `s${key}`, authorization: `Bearer ${token}` }
      const path = `/${name}/${name === 'param' ? key : 'x'}`
      const home = await (await system.fetch(path, { headers })).text()
      homes.add(home)
      for (let call = 0; call < 5; call++) {
        t.equal(await (await system.fetch(path, { headers })).text(), home)
      }
    }
    t.ok(homes.size > 1, `${name}: the keys are spread over ${homes.size} runners`)
  }
})

t.test('who has a higher priority in the token leaves the queue first', async (t) => {
  const order: unknown[] = []
  let finish = () => {}
  await system.serve(
    defineFunction({
      name: 'line',
      run: async (input) => {
        if (input !== 'first') return order.push(input)
        await new Promise<void>((resolve) => {
          finish = resolve
        })
      },
    }),
  )
  const first = system.post('/line', 'first')
  await system.until('line', ({ counters }) => counters.inFlight === 1)
  const calls = []
  for (const [index, priority] of [0, -1, 2, 1, 'high', 99].entries()) {
    const token = await system.token({
      subject: `principal ${index}`,
      claims: { callgate_priority: priority },
    })
    calls.push(system.post('/line', priority, { headers: { authorization: `Bearer ${token}` } }))
    await system.until('line', ({ queued }) => queued === index + 1)
  }
  finish()
  for (const call of [first, ...calls]) t.ok((await call).ok)
  t.same(order, [99, 2, 1, 0, 'high', -1])
})

t.test(
  'a version is tried on some of the calls, promoted and taken back: none is refused',
  async (t) => {
    const folder = folderWith(t, { 'release.mjs': functionText('old') })
    const env = { CALLGATE_NATS_URL: system.nats.url }
    const run = (...args: string[]) => runCommand(args, { cwd: folder, env })
    const answer = async () => {
      const response = await system.post('/release', {})
      if (response.status !== 200) throw new Error(`refused with ${response.status}`)
      return response.text()
    }
    const answers = async (count: number) => {
      const counts: Record<string, number> = {}
      for (let call = 0; call < count; call++) {
        const text = await answer()
        counts[text] = (counts[text] ?? 0) + 1
      }
      return counts
    }
    const isSet = (weights: object) =>
      system.until('release', ({ traffic }) => JSON.stringify(traffic) === JSON.stringify(weights))

    const old = defineFunction({ name: 'release', maxInputs: 5, run: () => 'old' })
    await system.serve(old)
    t.same(await answers(10), { old: 10 })

    const canary = defineFunction({ name: 'release', maxInputs: 5, run: () => 'new' })
    await system.serve(canary, { version: 'v2' })
    t.same(await answers(10), { old: 10 }, 'it has no weight yet')

    const deployed = await run('deploy', 'release.mjs', '--version', 'v2', '--weight', '20')
    t.match(deployed, { status: 0, stdout: 'release\n  main 80 %\n  v2 20 %\n' })
    await isSet({ main: 80, v2: 20 })
    t.same(await answers(20), { old: 16, new: 4 })

    let isOver = false
    const steadily = (async () => {
      while (!isOver) await answer()
    })()
    t.match(await run('promote', 'release', 'v2'), { status: 0, stdout: /v2 100 %/ })
    await isSet({ v2: 100 })
    t.same(await answers(10), { new: 10 })
    t.match(await run('rollback', 'release'), { status: 0, stdout: /main 80 %\n {2}v2 20 %/ })
    await isSet({ main: 80, v2: 20 })
    t.match(await run('traffic', 'release', 'main=100'), {
      status: 0,
      stdout: /main 100 %\n {2}v2 0 %/,
    })
    await isSet({ main: 100 })
    t.same(await answers(10), { old: 10 })
    isOver = true
    await steadily

    const faults: Record<string, string[]> = {
      'no version v9; it has main, v2': ['promote', 'release', 'v9'],
      'no function nobody': ['traffic', 'nobody'],
      '--weight: "lots" is not a number': ['deploy', 'release.mjs', '--weight', 'lots'],
      'write version=percent': ['traffic', 'release', 'v2'],
      'At least one version': ['traffic', 'release', 'v2=0'],
      "is not a version's name": ['deploy', 'release.mjs', '--version', 'a.b'],
    }
    for (const [sentence, args] of Object.entries(faults)) {
      const { status, stderr } = await run(...args)
      t.not(status, 0, args.join(' '))
      t.ok(stderr.includes(sentence), stderr)
    }
  },
)

t.test('a runner of a new version takes no calls, whatever its version is called', async (t) => {
  // v10 sorts before v9: its runner had all calls as soon as it had registered, before it was ready.
  const of = (version: string) => defineFunction({ name: 'shas', run: () => version })
  await system.serve(of('v9'), { version: 'v9' })
  await system.serve(of('v10'), { version: 'v10' })
  await system.serve(of('main'))
  for (let call = 0; call < 6; call++) {
    t.equal(await (await system.post('/shas', {})).text(), 'v9')
  }
  t.same((await system.state('shas')).traffic, { v9: 100 })
})

function functionText(text: string): string {
  return `import { defineFunction } from 'callgate'
export default defineFunction({ name: 'release', maxInputs: 5, run: () => '${text}' })
`
}

t.test('a runner is killed: calls that may run again are answered, by another', async (t) => {
  const environment = { TEST_MAX_INPUTS: '4', TEST_IDEMPOTENT: 'yes' }
  const victim = await system.serveInChild('sleeper', functionFile('sleeper'), environment)
  const calls = [1, 2, 3, 4].map(() => system.post('/sleeper', { ms: 5_000 }))
  await system.untilTaken('sleeper', 4)
  const { pid } = victim.process
  process.kill(pid!, 'SIGKILL')
  for (const call of calls) {
    const response = await call
    t.equal(response.status, 200)
    t.not((await response.json()).pid, pid)
  }
  const { counters } = await system.state('sleeper')
  t.match(counters, { started: 4, succeeded: 4, failed: 0, retried: 4 })
})

t.test('a version that nobody has registered takes no calls beside the one that is', async (t) => {
  const of = (version: string) => defineFunction({ name: 'beside', run: () => version })
  await system.serve(of('main'))
  await system.serve(of('v2'), { version: 'v2' }, { register: false })
  await system.until('beside', ({ runners }) => runners.length === 2)
  for (let call = 0; call < 6; call++) {
    t.equal(await (await system.post('/beside', {})).text(), 'main')
  }
})
