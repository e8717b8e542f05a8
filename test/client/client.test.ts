import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { type Client, connect } from '../../client/client.js'
import { defineFunction, PublicError } from '../../runner/define-function.js'
import { folderWith } from '../support/folder.js'
import { System } from '../support/system.js'

t.test('calling functions from code', async (t) => {
  const system = await System.start(t)
  const connected = async (options = {}): Promise<Client> => {
    const client = await connect({ natsUrl: system.nats.url, ...options })
    t.teardown(() => client.close())
    return client
  }
  const client = await connected()
  let yielded = 0
  let signalled: Promise<string>
  let onStarted = () => {}

  await system.serve(defineFunction({ name: 'echo', maxInputs: 1_000, run: (input) => input }))
  await system.serve(
    defineFunction({
      name: 'count',
      maxInputs: 10,
      run: async function* (input, { signal }) {
        const { to, bytes = 1 } = input as { to: number; bytes?: number }
        signalled = once(signal, 'abort').then(() => (signal.reason as { code: string }).code)
        onStarted()
        for (yielded = 0; yielded < to; yielded++) yield new Uint8Array(bytes).fill(yielded)
        if (to === 3) await once(signal, 'abort')
      },
    }),
  )
  await system.serve(
    defineFunction({
      name: 'fail',
      run: async function* (input) {
        if (input === 'later') yield 1
        if (input === 'public') {
          throw new PublicError('conflict', 'Twice.', { issues: [{ path: ['a'], message: 'b' }] })
        }
        throw new Error('secret')
      },
    }),
  )
  await system.serve(
    defineFunction({ name: 'page', fetch: (request) => Response.json({ url: request.url }) }),
  )

  await t.test('a function that takes WebSockets says so, and takes no harm', async (t) => {
    await system.serve(
      defineFunction({
        name: 'talk',
        socket: async (socket) => {
          for await (const message of socket) await socket.send(message)
        },
      }),
    )
    // It accepted a handshake that nobody had made: the caller took that for a break of the protocol.
    const refused = { code: 'upgrade_required', message: /WebSockets only/ }
    for (let count = 0; count < 3; count++) await t.rejects(client.call('talk', 1), refused)
    await system.atRest('talk')
  })

  await t.test('values arrive as they were', async (t) => {
    const value = {
      text: 'ä\u0000😀',
      numbers: [0, -1, 1.5, 2 ** 53, 2n ** 63n, Number.NaN, Number.POSITIVE_INFINITY],
      at: new Date('2026-01-02T03:04:05.678Z'),
      nothing: null,
      nested: { list: [[], {}, [true, false]] },
    }
    t.same(await client.call('echo', value), value)
    const bytes = (await client.call('echo', new Uint8Array([0, 127, 255]))) as Uint8Array
    t.type(bytes, Uint8Array)
    t.same([...bytes], [0, 127, 255])
    t.equal(await client.call('echo'), undefined)
    t.equal(await client.call('echo', null), null)
    t.equal(await client.call('echo', ''), '')
    t.same(await client.call('echo', []), [])
  })

  await t.test('values that are larger than a message arrive', async (t) => {
    const large = Buffer.alloc(5_000_000, 'abc')
    const answer = (await client.call('echo', { large })) as { large: Uint8Array }
    t.ok(large.equals(answer.large))
  })

  await t.test('a stream is an array to `call`, and values to `stream`', async (t) => {
    t.same(await client.call('count', { to: 2 }), [new Uint8Array([0]), new Uint8Array([1])])
    const values: unknown[] = []
    for await (const value of client.stream('count', { to: 2 })) values.push(value)
    t.equal(values.length, 2)
    t.same(await client.call('count', { to: 0 }), [], 'even when it is empty')
  })

  await t.test('a function that takes a Request answers, too', async (t) => {
    t.match(await client.call('page', {}), { url: /\/page$/ })
  })

  await t.test('leaving the loop cancels', async (t) => {
    for await (const _ of client.stream('count', { to: 3 })) break
    t.equal(await signalled, 'cancelled')
    await system.atRest('count')
  })

  await t.test('a signal cancels, and the reader learns at once', async (t) => {
    const controller = new AbortController()
    const values = client.stream('count', { to: 3 }, { signal: controller.signal })
    const iterator = values[Symbol.asyncIterator]()
    await iterator.next()
    controller.abort(new Error('enough'))
    await t.rejects(iterator.next(), { code: 'cancelled', cause: { message: 'enough' } })
    t.equal(await signalled, 'cancelled')
    await t.rejects(client.call('echo', 1, { signal: AbortSignal.abort() }), { code: 'cancelled' })
    await t.rejects(client.call('nobody', 1, { signal: AbortSignal.timeout(20) }), {
      code: 'cancelled',
    })
    await system.atRest('count', 'echo')
  })

  await t.test('errors keep their code, before and after the first value', async (t) => {
    await t.rejects(client.call('fail', 'public'), {
      name: 'CallError',
      code: 'conflict',
      message: 'Twice.',
      issues: [{ path: ['a'], message: 'b' }],
    })
    await t.rejects(client.call('fail', 'now'), { code: 'function_failed', message: /log/ })
    const values: unknown[] = []
    await t.rejects(
      (async () => {
        for await (const value of client.stream('fail', 'later')) values.push(value)
      })(),
      { code: 'function_failed' },
    )
    t.same(values, [1])
    await t.rejects(client.call('count', { to: 3 }, { timeoutMs: 30 }), { code: 'timed_out' })
    await t.rejects(client.call('no such name'), { code: 'not_found' })
    const impatient = await connected({ queueWaitMs: 20 })
    await t.rejects(impatient.call('nobody'), { code: 'no_capacity', message: /No runner/ })
  })

  await t.test("an error of a call within a function is not that function's answer", async (t) => {
    await system.serve(
      defineFunction({ name: 'outer', run: (input) => client.call('fail', input) }),
    )
    await t.rejects(client.call('outer', 'public'), { code: 'function_failed', message: /log/ })
  })

  await t.test('a time limit that is none hurts nobody', async (t) => {
    // The runner could not read such a CALL, and ended every call that this client had with it.
    const started = new Promise<void>((resolve) => {
      onStarted = resolve
    })
    const other = client.stream('count', { to: 3 })[Symbol.asyncIterator]()
    await other.next()
    await started
    let starts = 0
    onStarted = () => starts++
    for (const timeoutMs of [Number.NaN, '5', true, {}]) {
      const options = { timeoutMs: timeoutMs as number }
      const name = Number.isNaN(timeoutMs) ? 'RangeError' : 'TypeError'
      await t.rejects(client.call('count', { to: 1 }, options), { name, message: /timeoutMs/ })
      t.throws(() => client.stream('count', { to: 1 }, options), { name })
    }
    for (const timeoutMs of [0, -0.5, -1, Number.NEGATIVE_INFINITY]) {
      await t.rejects(client.call('count', { to: 1 }, { timeoutMs }), { code: 'timed_out' })
    }
    t.equal(starts, 0, 'and is not sent')
    for (const timeoutMs of [Number.POSITIVE_INFINITY, 1e300, 2 ** 40, 59_999.5]) {
      t.same(await client.call('echo', 1, { timeoutMs }), 1, String(timeoutMs))
    }
    await t.rejects(client.call('count', { to: 3 }, { timeoutMs: 0.5 }), { code: 'timed_out' })
    t.notOk((await other.next()).done, 'the call beside them goes on')
    await other.return?.(undefined)
    await system.atRest('count', 'echo')
  })

  await t.test('an input that cannot be encoded leaves nothing behind', async (t) => {
    const circle: unknown[] = []
    circle.push(circle)
    const controller = new AbortController()
    for (let call = 0; call < 3; call++) {
      await t.rejects(client.call('echo', circle, { signal: controller.signal }))
    }
    t.equal(getEventListeners(controller.signal, 'abort').length, 0)
    t.equal(await client.call('echo', 1, { signal: controller.signal }), 1)
    t.equal(getEventListeners(controller.signal, 'abort').length, 0)
  })

  await t.test('the wait for a slot may have no limit', async (t) => {
    // A timer of Node that is given Infinity fires at once.
    for (const queueWaitMs of [Number.POSITIVE_INFINITY, 1e15]) {
      const patient = await connected({ queueWaitMs })
      const controller = new AbortController()
      const waiting = patient.call('nobody', 1, { signal: controller.signal })
      const first = await Promise.race([
        waiting.catch(() => 'refused'),
        patient.call('echo', 'answered').then(() => patient.call('echo', 'answered')),
      ])
      t.equal(first, 'answered')
      controller.abort()
      await t.rejects(waiting, { code: 'cancelled' })
    }
    const hasty = await connected({ queueWaitMs: 0 })
    await t.rejects(hasty.call('nobody'), { code: 'no_capacity' })
  })

  await t.test('a reader that does not read makes the function wait', async (t) => {
    const small = await connected({ creditBytes: 256 * 1024 })
    const iterator = small.stream('count', { to: 1_000, bytes: 10_000 })[Symbol.asyncIterator]()
    await iterator.next()
    // Time enough for it to go on, if it would: each of these goes to its process and back.
    for (let trip = 0; trip < 100; trip++) await small.call('echo', trip)
    t.ok(yielded < 100, `${yielded} of 1000 values were made`)
    let read = 1
    while (!(await iterator.next()).done) read++
    t.equal(read, 1_000, 'and goes on when it is read')
  })

  await t.test('ten thousand calls at once are all answered', async (t) => {
    const patient = await connected({ queueWaitMs: 600_000 })
    const calls = Array.from({ length: 10_000 }, (_, index) => patient.call('echo', index))
    const answers = await Promise.all(calls)
    t.ok(answers.every((answer, index) => answer === index))
  })

  await t.test('closing ends what is in flight, here and there', async (t) => {
    const other = await connected()
    const started = new Promise<void>((resolve) => {
      onStarted = resolve
    })
    const underWay = other.call('count', { to: 3 })
    const queued = other.call('nobody')
    await started
    const rejections = Promise.all([
      t.rejects(underWay, { code: 'cancelled', message: 'The client has been closed.' }),
      t.rejects(queued, { code: 'cancelled' }),
    ])
    await Promise.all([other.close(), other.close()])
    await rejections
    await t.rejects(other.call('echo', 1), { code: 'cancelled' })
    t.equal(await signalled, 'cancelled')
  })
})

t.test('NATS that is not there, and settings that are wrong, are one sentence', async (t) => {
  await t.rejects(connect({ natsUrl: 'nats://127.0.0.1:1' }), {
    name: 'NatsUnreachable',
    message: /^NATS does not answer at nats:\/\/127\.0\.0\.1:1 /,
  })
  await t.rejects(connect({ namespace: 'a.b' }), { name: 'ConfigError' })
  for (const name of ['queueWaitMs', 'creditBytes'] as const) {
    for (const value of ['5', true, {}, Number.NaN, -1, Number.NEGATIVE_INFINITY]) {
      await t.rejects(connect({ [name]: value as number }), {
        name: typeof value === 'number' ? 'RangeError' : 'TypeError',
        message: new RegExp(`^\`${name}\` must be `),
      })
    }
  }
  await t.rejects(connect({ creditBytes: 0 }), { name: 'RangeError' })
  await t.rejects(connect({ natsCaFile: `${folderWith(t, {})}/no.pem` }), { message: /no\.pem/ })
})
