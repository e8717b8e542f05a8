// A runner that is killed in the middle of a call: its client hears of it long before the deadline, and
// never gets what looks like a whole answer.

import t from 'tap'
import { functionFile, System } from '../support/system.js'

/** Far from the deadline, and from what the calls would take. */
const SOON_MS = 30_000

const system = await System.start(t)

async function startSleeper(slots: number) {
  const runner = await system.serveInChild('sleeper', functionFile('sleeper'), {
    TEST_MAX_INPUTS: String(slots),
  })
  t.teardown(() => runner.process.stop())
  return runner
}

const runner = await startSleeper(2)

/** As if it had crashed; resolves when the process that took its place is ready. */
async function kill(): Promise<void> {
  const { pid } = runner.process
  const lives = runner.runnerIds.length
  process.kill(pid!, 'SIGKILL')
  await system.until('sleeper', () => runner.runnerIds.length > lives)
}

t.afterEach(async () => {
  await system.until(
    'sleeper',
    ({ counters, queued, freeSlots }) => counters.inFlight === 0 && queued === 0 && freeSlots === 2,
  )
})

t.test('a call that it had ends with runner_lost, soon', async (t) => {
  const answered = system.post('/sleeper', { ms: 600_000 })
  await system.untilTaken('sleeper', 1)
  const startedMs = performance.now()
  const replaced = kill()
  const response = await answered
  t.ok(performance.now() - startedMs < SOON_MS, `${Math.round(performance.now() - startedMs)} ms`)
  t.equal(response.status, 502)
  t.match(await response.json(), { code: 'runner_lost' })
  await replaced
  t.equal((await system.post('/sleeper', {})).status, 200)
})

t.test('an answer that had begun is seen as broken', async (t) => {
  const client = await system.connect()
  const body = '{"ms":20,"count":100000}'
  await client.write(
    `POST /sleeper HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  t.equal((await client.head())?.status, 200)
  // Several values may be one chunk.
  t.match((await client.chunk())?.toString(), /^data: 0\n\n/)
  const startedMs = performance.now()
  const replaced = kill()
  let last: Buffer | null | undefined = null
  do last = await client.chunk()
  while (last !== null && last !== undefined)
  t.equal(last, undefined, 'it ends without the last chunk')
  t.ok(performance.now() - startedMs < SOON_MS)
  await replaced
})

// It was taken for what a function says that says nothing: a request that kills its runner had three of them.
t.test('a function that must not run twice does not, whatever the method', async (t) => {
  const file = functionFile('poisoned')
  const children = [
    await system.serveInChild('poisoned', file),
    await system.serveInChild('poisoned', file),
  ]
  await system.until('poisoned', ({ runners }) => runners.length === 2)
  const response = await system.fetch('/poisoned', { headers: { 'idempotency-key': 'x' } })
  t.equal(response.status, 502)
  t.match(await response.json(), { code: 'runner_lost' })
  t.match((await system.state('poisoned')).counters, { started: 1, retried: 0, failed: 1 })
  t.equal(children.flatMap(({ failures }) => failures).length, 1)
  for (const child of children) await child.process.stop()
})

t.test('calls that waited go on with the runner that takes its place', async (t) => {
  const before = (await system.state('sleeper')).counters
  const busy = [system.post('/sleeper', { ms: 600_000 }), system.post('/sleeper', { ms: 600_000 })]
  await system.untilTaken('sleeper', 2)
  const waiting = [1, 2, 3].map(() => system.post('/sleeper', { ms: 1 }))
  await system.until('sleeper', ({ queued }) => queued === 3)
  await kill()
  for (const response of await Promise.all(busy)) t.equal(response.status, 502)
  for (const response of await Promise.all(waiting)) {
    t.equal(response.status, 200)
    t.equal((await response.json()).pid, runner.process.pid)
  }
  const { counters } = await system.state('sleeper')
  t.equal(counters.succeeded, before.succeeded + 3)
  t.equal(counters.failed, before.failed + 2)
})
