// A function whose `load` takes its time, throws, hangs, blocks its process or kills it: its route is there,
// calls wait or are answered with 503 and the code, the operator finds the reason, and the runner is started
// again until it works.

import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type ChildRunner, functionFile, System } from '../support/system.js'

t.jobs = 1

const system = await System.start(t)

interface Loader {
  readonly name: string
  readonly child: ChildRunner
  /** What its `load` does from now on. */
  order(what: string): void
  call(): Promise<Response>
}

let loaders = 0

function startLoader(t: Test, what: string, environment: Record<string, string> = {}): Loader {
  const name = `loader-${++loaders}`
  const file = join(tmpdir(), `callgate-${process.pid}-${name}`)
  const order = (what: string) => writeFileSync(file, what)
  order(what)
  t.teardown(() => rmSync(file, { force: true }))
  const child = system.startChild(
    functionFile('loader'),
    { TEST_LOAD: file, TEST_NAME: name, ...environment },
    { retryFailedLoad: true },
  )
  t.teardown(() => child.process.stop())
  return { name, child, order, call: () => system.post(`/${name}`, 1) }
}

/** Resolves when the route is there. */
async function registered(name: string): Promise<void> {
  await system.until(name, ({ isRegistered }) => isRegistered)
}

async function isRefused(t: Test, response: Response, code: string): Promise<void> {
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '5')
  const problem = await response.json()
  t.match(problem, { code, detail: /Try again later\.$/ })
  t.notMatch(JSON.stringify(problem), /secret/)
}

async function works(t: Test, { name, call }: Loader): Promise<void> {
  await system.until(name, ({ runners }) => runners.some(({ state }) => state === 'ready'))
  t.match(await (await call()).json(), { model: 'model' })
  t.equal((await system.state(name)).loadFailure, null)
}

t.test('calls that come while it loads wait for it', async (t) => {
  const loader = startLoader(t, 'wait')
  await registered(loader.name)
  const answers = [loader.call(), loader.call()]
  await system.until(loader.name, ({ queued }) => queued === 2)
  const { runners } = await system.until(loader.name, (state) => state.runners.length > 0)
  t.match(runners, [{ state: 'loading', slots: 0, pid: loader.child.process.pid }])
  loader.order('go')
  for (const answer of answers) t.match(await (await answer).json(), { model: 'model' })
})

t.test(
  'one that throws: load_failed, the reason for operators only, mended by itself',
  async (t) => {
    const loader = startLoader(t, 'throw')
    await system.until(loader.name, ({ loadFailure }) => loadFailure !== null)
    await isRefused(t, await loader.call(), 'load_failed')
    t.match((await system.state(loader.name)).loadFailure, {
      code: 'load_failed',
      message: '`load` failed: weights.onnx is a secret',
      pid: Number,
      failedAt: String,
    })
    const { failures, pausesMs } = loader.child
    await system.until(loader.name, () => pausesMs.length >= 3)
    t.same(pausesMs.slice(0, 3), [250, 500, 1_000], 'each attempt later than the one before')
    t.match(failures[0], /weights\.onnx is a secret/)
    const logged = system.logLines.filter(
      (line) => line.includes(loader.name) && /"level":50.*weights/.test(line),
    )
    t.equal(logged.length, 1, 'the log has it once')
    await isRefused(t, await loader.call(), 'load_failed')
    loader.order('go')
    await works(t, loader)
  },
)

t.test('calls that waited are told as well', async (t) => {
  const loader = startLoader(t, 'wait')
  await registered(loader.name)
  const answer = loader.call()
  await system.until(loader.name, ({ queued }) => queued === 1)
  loader.order('throw')
  await isRefused(t, await answer, 'load_failed')
  t.equal((await system.state(loader.name)).queued, 0)
})

t.test('one that hangs: load_timeout', async (t) => {
  const loader = startLoader(t, 'hang', { TEST_LOAD_TIMEOUT_MS: '300' })
  await registered(loader.name)
  await isRefused(t, await loader.call(), 'load_timeout')
  t.match((await system.state(loader.name)).loadFailure, { message: /longer than 300 ms/ })
  // It has heard of its time limit, and written so.
  loader.order('go')
  await works(t, loader)
})

t.test('one that blocks its process: load_timeout, and it is killed', async (t) => {
  const loader = startLoader(t, 'block', { TEST_LOAD_TIMEOUT_MS: '300' })
  await registered(loader.name)
  await isRefused(t, await loader.call(), 'load_timeout')
  t.match((await system.state(loader.name)).loadFailure, { message: /block/ })
  await system.until(loader.name, () => loader.child.failures.length > 0)
  t.match(loader.child.failures[0], /was killed: `load` did not return within 300 ms/)
  loader.order('go')
  await works(t, loader)
})

t.test('one that kills its process: load_failed', async (t) => {
  const loader = startLoader(t, 'die')
  await registered(loader.name)
  await isRefused(t, await loader.call(), 'load_failed')
  t.match((await system.state(loader.name)).loadFailure, { message: /died as it loaded/ })
  loader.order('go')
  await works(t, loader)
})
