// The connection to NATS goes and comes back, the gateway's or a runner's: calls that were under way end
// at once, later ones wait, and everything works again by itself.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { startCuttableProxy } from '../support/cuttable-proxy.js'
import { startTestNats } from '../support/nats.js'
import { signalled } from '../support/scripted-socket.js'
import { System } from '../support/system.js'

/** Far from what the calls would take. */
const SOON_MS = 30_000
const LONG_MS = 600_000

const nats = await startTestNats(t)
const toGateway = await startCuttableProxy(t, nats.url)
const toRunner = await startCuttableProxy(t, nats.url)
const system = await System.start(t, { nats, gateway: { natsUrl: toGateway.url } })

let begun = signalled()
let aborted = signalled()
await system.serve(
  defineFunction({
    name: 'nap',
    auth: 'public',
    maxInputs: 4,
    timeoutMs: LONG_MS,
    run: async (input, { signal }) => {
      signal.addEventListener('abort', () => aborted.go())
      begun.go()
      await delay((input as { ms: number }).ms, undefined, { signal })
      return 'slept'
    },
  }),
  { natsUrl: toRunner.url },
)

t.beforeEach(() => {
  begun = signalled()
  aborted = signalled()
})
t.afterEach(async () => {
  toGateway.mend()
  toRunner.mend()
  await system.atRest('nap')
})

async function isReady(): Promise<boolean> {
  return (await fetch(`${system.gateway.adminUrl}/readyz`)).ok
}

async function untilReady(expected: boolean): Promise<void> {
  while ((await isReady()) !== expected) await delay(10)
}

t.test('the gateway’s goes: calls under way end at once', async (t) => {
  const answered = system.post('/nap', { ms: LONG_MS })
  await begun.promise
  toGateway.cut()
  const response = await answered
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  t.match(await response.json(), { code: 'transport_unavailable' })
  await untilReady(false)
  toGateway.mend()
  await untilReady(true)
  await aborted.promise
  const again = await system.post('/nap', { ms: 1 })
  t.equal(await again.text(), 'slept')
})

t.test('calls that come meanwhile wait, and are served when it is back', async (t) => {
  // They were given to a runner at once, on a connection that drops what is published: nobody ever
  // answered, and each held a slot until its deadline.
  toGateway.cut()
  await untilReady(false)
  const answered = system.post('/nap', { ms: 1 })
  await system.until('nap', ({ queued, counters }) => queued + counters.inFlight === 1)
  t.match(await system.state('nap'), { queued: 1, counters: { inFlight: 0 } })
  toGateway.mend()
  t.equal(await (await answered).text(), 'slept')
})

t.test('a call that waited for a slot is not lost with it', async (t) => {
  // The slots of the calls that ended were given to it while the connection was gone.
  const busy = [1, 2, 3, 4].map(() => system.post('/nap', { ms: LONG_MS }))
  await system.until('nap', ({ counters }) => counters.inFlight === 4)
  const waiting = system.post('/nap', { ms: 1 })
  await system.until('nap', ({ queued }) => queued === 1)
  toGateway.cut()
  for (const response of await Promise.all(busy)) t.equal(response.status, 503)
  toGateway.mend()
  t.equal(await (await waiting).text(), 'slept')
})

t.test('a function that is deployed after it was gone is seen', async (t) => {
  toGateway.cut()
  await untilReady(false)
  toGateway.mend()
  await untilReady(true)
  await system.serve(defineFunction({ name: 'new', auth: 'public', run: () => 'new' }))
  t.equal(await (await system.post('/new', 1)).text(), 'new')
})

t.test('a runner’s goes for long: its calls end soon, its next ones work', async (t) => {
  const answered = system.post('/nap', { ms: LONG_MS })
  await begun.promise
  const startedMs = performance.now()
  toRunner.cut()
  const response = await answered
  t.equal(response.status, 502)
  t.match(await response.json(), { code: 'runner_lost' })
  t.ok(performance.now() - startedMs < SOON_MS)
  await aborted.promise
  toRunner.mend()
  await system.until('nap', ({ freeSlots }) => freeSlots === 4)
  t.equal(await (await system.post('/nap', { ms: 1 })).text(), 'slept')
})

t.test('a runner’s goes for a moment: its calls end soon, too', async (t) => {
  // The runner cancelled its calls, and its ERROR frames were dropped with the connection. It was back
  // before the gateway's next PING, so the gateway waited for their deadlines.
  const startedMs = performance.now()
  const answered = system.post('/nap', { ms: LONG_MS })
  await begun.promise
  toRunner.cut()
  await aborted.promise
  toRunner.mend()
  t.equal((await answered).status, 502)
  t.ok(performance.now() - startedMs < SOON_MS)
})

t.test('a runner’s goes for a moment, and its function settles when it is back', async (t) => {
  // What the runner said of it then came under its old id, and was believed: 499, the client had left.
  let runs = 0
  let settles = signalled()
  const runner = await system.serve(
    defineFunction({
      name: 'late',
      auth: 'public',
      maxInputs: 2,
      timeoutMs: LONG_MS,
      idempotent: true,
      run: async (_, { signal }) => {
        if (++runs % 2 === 0) return 'of the second run'
        signal.addEventListener('abort', () => aborted.go())
        begun.go()
        await settles.promise
        return 'of the first run'
      },
    }),
    { natsUrl: toRunner.url },
  )
  // The gateway asks twice a second whether the old id is there: in most rounds it has not asked yet.
  for (let round = 0; round < 4; round++) {
    begun = signalled()
    aborted = signalled()
    settles = signalled()
    const { runnerId } = runner
    const answered = system.post('/late', 1)
    await begun.promise
    toRunner.cut()
    await aborted.promise
    toRunner.mend()
    while (runner.runnerId === runnerId) await delay(1)
    settles.go()
    const response = await answered
    t.equal(response.status, 200)
    t.equal(await response.text(), 'of the second run')
    await system.atRest('late')
  }
})

t.test('a runner’s goes for a moment, and its function takes its time to stop', async (t) => {
  // A runner that was told to stop did not wait for such a function.
  let runs = 0
  const settles = signalled()
  const order: string[] = []
  const runner = await system.serve(
    defineFunction({
      name: 'tidy',
      auth: 'public',
      maxInputs: 2,
      timeoutMs: LONG_MS,
      idempotent: true,
      run: async (_, { signal }) => {
        if (++runs > 1) return 'of the second run'
        signal.addEventListener('abort', () => aborted.go())
        begun.go()
        await settles.promise
        order.push('settled')
        return 'of the first run'
      },
    }),
    { natsUrl: toRunner.url },
  )
  const { runnerId } = runner
  const answered = system.post('/tidy', 1)
  await begun.promise
  toRunner.cut()
  await aborted.promise
  toRunner.mend()
  await system.until('tidy', ({ runners }) =>
    runners.some(
      ({ id, state, othersBusy }) => id !== runnerId && state === 'ready' && othersBusy > 0,
    ),
  )
  const stopped = runner.stop().then(() => order.push('stopped'))
  await system.until('tidy', ({ runners }) => runners.every(({ state }) => state !== 'ready'))
  settles.go()
  await stopped
  t.same(order, ['settled', 'stopped'])

  await system.serve(
    defineFunction({ name: 'tidy', auth: 'public', idempotent: true, run: () => 'of another' }),
  )
  const response = await answered
  t.equal(response.status, 200)
  t.match(await response.text(), /^of (the second run|another)$/)
  await system.atRest('tidy')
})
