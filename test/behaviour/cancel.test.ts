// A client that leaves, or a deadline that passes, ends the function's work; the slot comes back when the
// function has really stopped, and not before.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { FRAME, type Frame } from '../../shared/frame.js'
import { plainCall, startScriptedCaller } from '../support/scripted-caller.js'
import { functionFile, System } from '../support/system.js'

const system = await System.start(t)

/** What a function under test has come to: each promise is made anew for each call. */
class Probe {
  #resolve: Record<string, () => void> = {}
  readonly started = this.#promise('started')
  readonly aborted = this.#promise('aborted')
  readonly stopped = this.#promise('stopped')
  reason: unknown
  /** Set to hold the function back after its signal has fired. */
  hold: Promise<unknown> = Promise.resolve()

  start(signal: AbortSignal): void {
    const onAbort = () => {
      this.reason = signal.reason
      this.#resolve.aborted!()
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort)
    this.#resolve.started!()
  }

  async untilAborted(): Promise<never> {
    await this.aborted
    await this.hold
    throw this.reason
  }

  stop(): void {
    this.#resolve.stopped!()
  }

  #promise(name: string): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve[name] = resolve
    })
  }
}

let probe = new Probe()
/** Values that `flood` has got rid of. */
let yielded = 0

await system.serve(
  defineFunction({
    name: 'unary',
    auth: 'public',
    run: async (_input, { signal }) => {
      const mine = probe
      mine.start(signal)
      try {
        await mine.untilAborted()
      } finally {
        mine.stop()
      }
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'generator',
    auth: 'public',
    run: async function* (_input, { signal }) {
      const mine = probe
      mine.start(signal)
      try {
        yield 'first'
        await mine.untilAborted()
      } finally {
        mine.stop()
      }
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'flood',
    auth: 'public',
    run: async function* (_input, { signal }) {
      const mine = probe
      mine.start(signal)
      try {
        for (yielded = 0; ; yielded++) yield 'x'.repeat(10_000)
      } finally {
        mine.stop()
      }
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'streaming',
    auth: 'public',
    fetch: (_request, { signal }) => {
      probe.start(signal)
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(Buffer.from('first')),
        pull: () => delay(60_000, undefined, { ref: false }),
        cancel: () => probe.stop(),
      })
      return new Response(body)
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'uploading',
    auth: 'public',
    fetch: async (request, { signal }) => {
      const mine = probe
      mine.start(signal)
      try {
        for await (const _chunk of request.body!);
        return new Response('all of it')
      } finally {
        mine.stop()
      }
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'hurried',
    auth: 'public',
    timeoutMs: 100,
    run: async (_input, { signal, deadline }) => {
      const mine = probe
      mine.start(signal)
      try {
        if (deadline - Date.now() > 100) throw new Error('the deadline is too late')
        await mine.untilAborted()
      } finally {
        mine.stop()
      }
    },
  }),
)
await system.serve(
  defineFunction({
    name: 'brief',
    auth: 'public',
    // Time enough for its first value.
    timeoutMs: 1_500,
    run: async function* (_input, { signal }) {
      probe.start(signal)
      yield 'first'
      await probe.untilAborted()
    },
  }),
)

const BODY = 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'

function post(path: string, body = BODY): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\n${body}`
}

t.beforeEach(() => {
  probe = new Probe()
})
t.afterEach(() => system.atRest())

for (const name of ['unary', 'generator', 'streaming']) {
  t.test(`${name}: the client leaves, and the function's signal fires`, async (t) => {
    const before = (await system.state(name)).counters
    const client = await system.connect()
    await client.write(post(`/${name}`))
    await probe.started
    if (name !== 'unary') t.equal((await client.head())?.status, 200)
    t.equal((await system.state(name)).counters.inFlight, 1)
    client.leave()
    await probe.aborted
    t.match(probe.reason, { name: 'CallError', code: 'cancelled' })
    await probe.stopped
    const { counters } = await system.until(name, (state) => state.counters.inFlight === 0)
    t.equal(counters.cancelled, before.cancelled + 1)
    t.equal(counters.started, before.started + 1)
  })
}

t.test('a client that reads nothing holds the generator at its yield, and frees it', async (t) => {
  const client = await system.connect()
  client.socket.pause()
  await client.write(post('/flood'))
  await probe.started
  // It has stopped yielding when two looks in a row find as many values as each other.
  let seen = -1
  while (seen !== yielded) {
    seen = yielded
    await delay(100)
  }
  t.ok(yielded * 10_000 < 20_000_000, `${yielded} values went into buffers`)
  client.leave()
  await probe.aborted
  await probe.stopped
})

t.test('a client that leaves in the middle of its upload ends the reading', async () => {
  const client = await system.connect()
  await client.write(post('/uploading', 'Content-Length: 1000000\r\n\r\n'))
  await client.write(Buffer.alloc(200_000))
  await probe.started
  client.leave()
  await probe.aborted
  await probe.stopped
})

t.test('a client that leaves while it waits costs its function nothing', async (t) => {
  const before = (await system.state('unary')).counters
  const first = await system.connect()
  await first.write(post('/unary'))
  await probe.started
  const second = await system.connect()
  await second.write(post('/unary'))
  await system.until('unary', ({ queued }) => queued === 1)
  second.leave()
  await system.until('unary', ({ queued }) => queued === 0)
  first.leave()
  await system.atRest('unary')
  const { counters } = await system.state('unary')
  t.equal(counters.cancelled, before.cancelled + 2)
  t.equal(counters.started, before.started + 2)
})

t.test('a CANCEL in the message of its CALL: the function does not begin', async (t) => {
  let runs = 0
  const { runnerId } = await system.serve(
    defineFunction({
      name: 'unwanted',
      maxInputs: 2,
      run: () => {
        runs++
        return null
      },
    }),
  )
  const caller = await startScriptedCaller(t, system.nats.url)
  await caller.send(runnerId, plainCall(1), [FRAME.cancel, 1, 'cancelled'], plainCall(2))
  const frames = [await caller.next(), await caller.next()]
  const ended = ([type, id]: Frame) => [type, id]
  t.same(
    frames.map(ended).sort(),
    [
      [FRAME.error, 1],
      [FRAME.reply, 2],
    ].sort(),
  )
  t.equal(runs, 1)
})

t.test('the slot is free only after the function has settled', async (t) => {
  let letGo = () => {}
  probe.hold = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const client = await system.connect()
  await client.write(post('/unary'))
  await probe.started
  client.leave()
  await probe.aborted
  const settled = probe
  const held = await system.state('unary')
  t.match(held, { slots: 1, freeSlots: 0, counters: { inFlight: 1 } })
  // The next call waits for the slot, though its only user has no client any more.
  probe = new Probe()
  const next = await system.connect()
  await next.write(post('/unary'))
  await system.until('unary', ({ queued }) => queued === 1)
  letGo()
  await settled.stopped
  await probe.started
  next.leave()
  await probe.aborted
})

t.test('a deadline that passes: 504, and the signal fires', async (t) => {
  const startedMs = performance.now()
  const response = await system.post('/hurried', 'value')
  t.equal(response.status, 504)
  t.match(await response.json(), { code: 'timed_out', detail: /100 ms/ })
  t.ok(performance.now() - startedMs >= 99)
  await probe.aborted
  t.match(probe.reason, { code: 'timed_out' })
  await probe.stopped
  t.match((await system.state('hurried')).counters, { timedOut: 1 })
})

t.test('a deadline that passes in the middle of a stream breaks it off', async (t) => {
  const client = await system.connect()
  await client.write(post('/brief'))
  const answer = await client.answer()
  t.equal(answer?.status, 200)
  t.match(answer?.body.toString(), /^data: "first"\n\n/)
  t.equal(answer?.isWhole, false)
  t.match((await system.state('brief')).counters, { timedOut: 1 })
})

/** Calls what never comes back, and leaves when it has begun: one that has not is simply not run. */
async function leaveDeafSleeper(): Promise<void> {
  const client = await system.connect()
  const deaf = '{"deaf":true}'
  const fields = `Content-Type: application/json\r\nContent-Length: ${deaf.length}`
  await client.write(post('/sleeper', `${fields}\r\n\r\n${deaf}`))
  await client.head()
  await client.chunk()
  client.leave()
}

const SHORT_GRACE = { CALLGATE_CANCEL_GRACE_MS: '200' }

t.test('a function that will not stop costs one slot, for all to see', async (t) => {
  // The gateway went on counting the poisoned call against the slots that were left: of four slots two
  // poisoned ones stopped the function for good, and no one replaced its runner.
  const runner = await system.serveInChild('sleeper', functionFile('sleeper'), {
    ...SHORT_GRACE,
    TEST_MAX_INPUTS: '2',
  })
  t.teardown(() => runner.process.stop())
  await leaveDeafSleeper()
  await system.until('sleeper', ({ slots }) => slots === 1)
  const response = await system.post('/sleeper', {})
  t.equal(response.status, 200)
  t.equal((await system.state('sleeper')).freeSlots, 1)
})

t.test('a runner whose every slot is poisoned is replaced', async (t) => {
  const runner = await system.serveInChild('sleeper', functionFile('sleeper'), {
    ...SHORT_GRACE,
    TEST_MAX_INPUTS: '1',
  })
  t.teardown(() => runner.process.stop())
  const [firstId] = runner.runnerIds
  await leaveDeafSleeper()
  const state = await system.until('sleeper', ({ runners }) =>
    runners.some(({ id, state }) => state === 'ready' && id !== firstId),
  )
  t.equal(state.slots, 1)
  t.match(runner.failures, [/ended with status 75/])
  t.equal((await system.post('/sleeper', {})).status, 200)
})

t.test('and it does not wait for what will never settle', async (t) => {
  // It drained first, for drainMs and the grace once more: 35 s by default without any slot.
  const runner = await system.serveInChild('sleeper', functionFile('sleeper'), {
    ...SHORT_GRACE,
    TEST_MAX_INPUTS: '1',
    CALLGATE_DRAIN_MS: '600000',
  })
  t.teardown(() => runner.process.stop())
  const [firstId] = runner.runnerIds
  await leaveDeafSleeper()
  await system.until('sleeper', ({ runners }) =>
    runners.some(({ id, state }) => state === 'ready' && id !== firstId),
  )
})
