import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import t, { type Test } from 'tap'
import { HEAD_ROOM_BYTES, type OutgoingMessage, TAIL_ROOM_BYTES } from '../../shared/bus.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import { connectNats, NatsUnreachable } from '../../shared/nats.js'
import { startConfiguredNats } from '../support/configured-nats.js'
import { startCuttableProxy } from '../support/cuttable-proxy.js'
import { startTestNats } from '../support/nats.js'
import { seededRandom } from './seeded-random.js'
import { openTestBus, until } from './test-bus.js'

/** The socket brings it in several pieces. */
const LARGE_BYTES = 300_000

t.test(
  'a server that is not there is a sentence that says what to do, without the password',
  async (t) => {
    const { url, stop } = await startTestNats(t)
    await stop()
    const natsUrl = url.replace('nats://', 'nats://ann:hunter2@')
    for (const each of [natsUrl, natsUrl.replace('nats://', ''), `${url},${natsUrl}`]) {
      const config = readConfig(natsSettings, { natsUrl: each }, {})
      const error: Error = await connectNats(config, 'test').then(
        () => t.fail('it connected'),
        (error) => error,
      )
      t.type(error, NatsUnreachable)
      t.match(error.message, /CALLGATE_NATS_URL/)
      t.notMatch(error.message, /hunter2/)
    }
  },
)

t.test('one of several servers is enough, and white space between them does no harm', async (t) => {
  const gone = await startTestNats(t)
  await gone.stop()
  const { url } = await startTestNats(t)
  const bus = await openTestBus(t, `${gone.url}, ${url}`)
  t.ok(bus.isConnected)
})

t.test('a TLS or credentials file that is not there is never passed over in silence', async (t) => {
  const { url } = await startTestNats(t)
  for (const setting of ['natsCaFile', 'natsCertFile', 'natsKeyFile', 'natsCredsFile']) {
    const config = readConfig(natsSettings, { natsUrl: url, [setting]: '/nonexistent/file' }, {})
    await t.rejects(
      connectNats(config, 'test').then((bus) => bus.close()),
      setting,
    )
  }
})

t.test(
  'a message comes with its subject and its bytes, and is not heard by its own sender',
  async (t) => {
    const { url } = await startTestNats(t)
    const [one, two] = [await openTestBus(t, url), await openTestBus(t, url)]
    const heard: string[] = []
    for (const [name, bus] of [
      ['one', one],
      ['two', two],
    ] as const) {
      bus.subscribe('a.*', (message) =>
        heard.push(`${name} ${message.subject} ${text(message.payload)}`),
      )
      await bus.flush()
    }
    one.publish('a.b', Buffer.from('x'))
    two.publish('a.c', Buffer.from('y'))
    await until(() => heard.length === 2)
    await Promise.all([one.flush(), two.flush()])
    t.same(heard.sort(), ['one a.c y', 'two a.b x'])
  },
)

t.test('an ended subscription hears nothing more, and may be ended again', async (t) => {
  const { url } = await startTestNats(t)
  const [one, two] = [await openTestBus(t, url), await openTestBus(t, url)]
  let heard = 0
  const subscription = two.subscribe('a', () => heard++)
  await two.flush()
  subscription.close()
  subscription.close()
  await subscription.drain()
  await two.flush()
  one.publish('a', Buffer.from('x'))
  await one.flush()
  await two.flush()
  t.equal(heard, 0)
})

t.test(
  'the server says at once when nobody hears, and only an answer of the server counts',
  async (t) => {
    const { url } = await startTestNats(t)
    const [one, two] = [await openTestBus(t, url), await openTestBus(t, url)]
    const heard: [string, boolean][] = []
    one.subscribe('mine.>', (message) => heard.push([message.subject, message.noResponders]))
    await one.flush()
    one.send(outgoing(Buffer.from('x'), { subject: 'nobody', replyTo: 'mine.7' }))
    await until(() => heard.length === 1)
    two.publish('mine.8', new Uint8Array(0))
    two.publish('mine.9', Buffer.from('x'))
    await until(() => heard.length === 3)
    t.same(heard, [
      ['mine.7', true],
      ['mine.8', false],
      ['mine.9', false],
    ])
  },
)

t.test(
  'payloads are sent from their buffers, which come back when the socket has them',
  async (t) => {
    const { url } = await startTestNats(t)
    const [one, two] = [await openTestBus(t, url), await openTestBus(t, url)]
    const heard: Buffer[] = []
    two.subscribe('a.>', (message) => heard.push(Buffer.from(message.payload)))
    await two.flush()
    const random = seededRandom(7)
    const sent: Buffer[] = []
    const idle: Buffer[] = []
    let released = 0
    for (let index = 0; index < 400; index++) {
      const payload = random.bytes(random.int(1, index % 4 === 0 ? 200_000 : 500))
      const buffer = idle.pop() ?? Buffer.alloc(200_000 + HEAD_ROOM_BYTES + TAIL_ROOM_BYTES)
      const end = HEAD_ROOM_BYTES + payload.copy(buffer, HEAD_ROOM_BYTES)
      one.send({
        buffer,
        start: HEAD_ROOM_BYTES,
        end,
        subject: 'a.b',
        replyTo: 'mine.1',
        release: () => {
          released++
          // Whoever has it next writes over it.
          idle.push(buffer.fill(0xee))
        },
      })
      sent.push(payload)
      if (index % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => heard.length === sent.length)
    t.ok(heard.every((payload, index) => payload.equals(sent[index]!)))
    one.send(outgoing(Buffer.from('x'), { release: () => released++ }))
    await one.flush()
    t.equal(released, 401, 'every one was given back')
  },
)

t.test('a message without the room around it is sent all the same', async (t) => {
  const { url } = await startTestNats(t)
  const [one, two] = [await openTestBus(t, url), await openTestBus(t, url)]
  const heard: string[] = []
  two.subscribe('>', (message) => heard.push(`${message.subject} ${Buffer.from(message.payload)}`))
  await two.flush()
  const long = `a.${'b'.repeat(HEAD_ROOM_BYTES)}`
  let released = 0
  const release = () => released++
  one.send(outgoing(Buffer.from('first'), { subject: long, release }))
  const buffer = Buffer.alloc(HEAD_ROOM_BYTES + 6)
  buffer.write('second', HEAD_ROOM_BYTES)
  one.send({ ...outgoing(Buffer.from('')), buffer, end: buffer.length, release })
  await until(() => heard.length === 2)
  t.same(heard, [`${long} first`, 'a.b second'])
  t.equal(released, 2)
})

t.test('what is sent without a connection is dropped, and its buffer given back', async (t) => {
  const { url } = await startTestNats(t)
  const bus = await openTestBus(t, url)
  await bus.close()
  let released = 0
  bus.send(outgoing(Buffer.from('x'), { release: () => released++ }))
  t.equal(released, 1)
})

t.test('a listener that throws does not make the process deaf', async (t) => {
  // The client library reads its socket in one loop, which a thrown error ends: the connection stands, and
  // nothing is heard on it any more.
  const { url } = await startTestNats(t)
  const [one, two] = [await openTestBus(t, url), await openTestBus(t, url)]
  let heard = 0
  one.subscribe('bad', () => {
    throw new Error('A bug of ours.')
  })
  one.subscribe('good', () => heard++)
  await one.flush()
  two.publish('bad', Buffer.from('x'))
  two.publish('good', Buffer.from('x'))
  await until(() => heard === 1)
})

t.test(
  'loss and return of the connection are told once each, also after a restart of the server',
  async (t) => {
    const stateDir = await temporaryDirectory(t)
    const first = await startTestNats(t, { stateDir })
    const bus = await openTestBus(t, first.url)
    const events: boolean[] = []
    const stopListening = bus.onConnection((isConnected) => {
      events.push(isConnected)
      t.equal(bus.isConnected, isConnected)
    })
    const stopped = bus.onConnection(() => t.fail('this listener was taken away'))
    stopped()
    await first.stop()
    await until(() => events.length === 1)
    const port = Number(new URL(first.url).port)
    await startTestNats(t, { stateDir, port, maxPayloadBytes: 300_000 })
    await until(() => events.length === 2)
    t.same(events, [false, true])
    t.equal(bus.maxPayloadBytes, 300_000, 'and its new bound holds')
    stopListening()
  },
)

/** One bus behind a proxy that hears `a`, and one that is not; what the first tells of its connection and logs. */
async function openFarAndNear(t: Test) {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const near = await openTestBus(t, url)
  const logged: unknown[] = []
  const write = (...line: unknown[]) => logged.push(...line)
  const log = { error: write, warn: write } as unknown as Logger
  const far = await connectNats(readConfig(natsSettings, { natsUrl: proxy.url }, {}), 'test', log)
  t.teardown(() => far.connection.close())
  let heard = 0
  far.subscribe('a', () => heard++)
  await far.flush()
  const events: boolean[] = []
  far.onConnection((isConnected) => events.push(isConnected))
  const hearsAgain = async () => {
    await until(() => events.length === 2)
    await far.flush()
    near.publish('a', Buffer.from('x'))
    await until(() => heard === 1)
    t.same(events, [false, true])
  }
  return { proxy, events, logged, hearsAgain }
}

t.test('a server that talks nonsense is left, and connected to again', async (t) => {
  // The client library's loop had ended, with a line on stdout: the process was deaf until two of its
  // pings had gone unanswered.
  const { proxy, logged, hearsAgain } = await openFarAndNear(t)
  proxy.garble()
  await hearsAgain()
  t.notMatch(logged.join('\n'), /pings/)
})

t.test('subscriptions are there again after a loss', async (t) => {
  const { proxy, events, hearsAgain } = await openFarAndNear(t)
  proxy.cut()
  await until(() => events.length === 1)
  proxy.mend()
  await hearsAgain()
})

t.test('what was published before a loss or during it never arrives after it', async (t) => {
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const [far, near] = [await openTestBus(t, proxy.url), await openTestBus(t, url)]
  const heard: number[] = []
  near.subscribe('count', (message) => heard.push(Number(text(message.payload))))
  await near.flush()
  const marks: { isConnected: boolean; published: number }[] = []
  let published = 0
  let heardBeforeReturn = -1
  far.onConnection((isConnected) => {
    if (isConnected) heardBeforeReturn = heard.length
    marks.push({ isConnected, published })
  })
  let isOver = false
  const publishing = (async () => {
    while (!isOver) {
      far.publish('count', Buffer.from(String(published++)))
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  await until(() => heard.length > 100)
  proxy.cut()
  await until(() => marks.length === 1)
  const goal = published + 100
  await until(() => published > goal)
  proxy.mend()
  await until(() => marks.length === 2)
  await until(() => heard.length > heardBeforeReturn + 100)
  isOver = true
  await publishing
  const returned = marks[1]!.published
  t.ok(heard.length > heardBeforeReturn)
  for (const number of heard.slice(heardBeforeReturn)) {
    if (number < returned)
      return t.fail(`number ${number} of before ${returned} arrived after the loss`)
  }
})

t.test(
  'a bus that is closed sends what is pending, and takes no more without a fuss',
  async (t) => {
    const { url } = await startTestNats(t)
    const [one, two] = [await openTestBus(t, url), await openTestBus(t, url)]
    let heard = 0
    two.subscribe('a', () => heard++)
    await two.flush()
    for (let count = 0; count < 100; count++) one.publish('a', Buffer.from('x'))
    const faults: unknown[] = []
    let isClosed = false
    const closing = one.close().then(() => {
      isClosed = true
    })
    // A mailroom's end of turn does not know that its bus is being closed.
    while (!isClosed) {
      try {
        one.publish('b', Buffer.from('x'))
      } catch (error) {
        faults.push(error)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await closing
    try {
      one.publish('b', Buffer.from('x'))
    } catch (error) {
      faults.push(error)
    }
    t.same(faults, [])
    await until(() => heard === 100)
    await one.close()
    t.equal(await one.closed, undefined)
  },
)

t.test('what the server forbids is logged once, with the permission that is missing', async (t) => {
  const natsUrl = await startConfiguredNats(
    t,
    await temporaryDirectory(t),
    'authorization { default_permissions: { publish: "a", subscribe: "a" }, users: [ { user: u, password: p } ] }',
  )
  const lines: string[] = []
  const log = {
    error: (line: string) => void lines.push(line),
    warn: () => {},
  } as unknown as Logger
  const settings = { natsUrl, natsUser: 'u', natsPassword: 'p' }
  const bus = await connectNats(readConfig(natsSettings, settings, {}), 'test', log)
  t.teardown(() => bus.connection.close())
  bus.subscribe('callgate.discover', () => {})
  for (let count = 0; count < 3; count++)
    bus.publish(`callgate.caller.${count}.x`, Buffer.from('x'))
  await until(() => lines.length >= 2)
  await bus.flush()
  t.match(lines.sort(), [
    /let this process publish on callgate\.caller\.0\.x\. .* publish on callgate\.caller\.>;/,
    /let this process subscribe to callgate\.discover\. Give its NATS user .*SECURITY\.md/,
  ])
  t.equal(lines.length, 2)
})

t.test('why a lost connection does not come back is said once for each reason', async (t) => {
  // Certificates that had expired were never named, a password that was rotated stood between warnings of
  // slow consumers, and those were repeated with every attempt.
  const stateDir = await temporaryDirectory(t)
  const first = await startTestNats(t, { stateDir })
  const port = Number(new URL(first.url).port)
  const logged: string[] = []
  const write = (...line: unknown[]) => void logged.push(String(line.at(-1)))
  const log = { error: write, warn: write } as unknown as Logger
  const bus = await connectNats(readConfig(natsSettings, { natsUrl: first.url }, {}), 'test', log)
  t.teardown(() => bus.connection.close())
  await first.stop()
  await until(() => logged.some((line) => line.includes('ECONNREFUSED')))

  let needsTls = true
  let attempts = 0
  const server = createServer((socket) => {
    const info = { version: '2.10.0', proto: 1, headers: true, tls_required: needsTls }
    socket.on('error', () => {}).write(`INFO ${JSON.stringify(info)}\r\n`)
    // In place of a handshake, this is as good as a certificate that is not.
    socket.on('data', () => socket.end("-ERR 'Authorization Violation'\r\n"))
    socket.on('close', () => attempts++)
  })
  server.listen(port, '127.0.0.1')
  await until(() => attempts >= 3)
  needsTls = false
  const from = attempts
  await until(() => attempts >= from + 4)
  server.close()
  await startTestNats(t, { stateDir, port })
  await until(() => bus.isConnected)
  const lines = (pattern: RegExp) => logged.filter((line) => pattern.test(line)).length
  t.equal(lines(/cannot be reached again \(.*ECONNREFUSED/), 1)
  t.equal(lines(/cannot be reached again \(.*Look at the certificates/), 1)
  t.equal(lines(/authorization Violation.*CALLGATE_NATS_PASSWORD/), 1)
  t.equal(lines(/Slow Consumer/), 1, 'when it was lost')
})

t.test('it is back soon after the network is, whatever was being tried just then', async (t) => {
  // An attempt that met silence lasted for its whole time limit of five seconds, and nothing else was
  // tried before it was over.
  const { url } = await startTestNats(t)
  const proxy = await startCuttableProxy(t, url)
  const bus = await openTestBus(t, proxy.url)
  const attempted = proxy.attempted()
  proxy.fallSilent()
  await attempted
  const startedMs = performance.now()
  const isBack = new Promise<void>((resolve) => {
    bus.onConnection((isConnected) => isConnected && resolve())
  })
  proxy.mend()
  await isBack
  t.ok(performance.now() - startedMs < 4_500, `${Math.round(performance.now() - startedMs)} ms`)
})

t.test(
  'a large payload is whole, and its array is used again only where it is borrowed',
  async (t) => {
    const { url } = await startTestNats(t)
    const sender = await openTestBus(t, url)
    const receiver = await openTestBus(t, url)
    const kept: Uint8Array[] = []
    const borrowed: { readonly array: ArrayBufferLike; readonly isRight: boolean }[] = []
    receiver.subscribe('kept', ({ payload }) => kept.push(payload))
    receiver.subscribe(
      'borrowed',
      ({ payload }) => {
        const expected = Buffer.alloc(LARGE_BYTES, borrowed.length)
        borrowed.push({ array: payload.buffer, isRight: expected.equals(payload) })
      },
      { borrows: true },
    )
    const sendAll = async () => {
      await receiver.flush()
      for (let number = 0; number < 4; number += 1) {
        for (const subject of ['kept', 'borrowed']) {
          sender.publish(subject, Buffer.alloc(LARGE_BYTES, number))
        }
      }
      await until(() => kept.length === 4 && borrowed.length === 4)
    }
    await sendAll()
    t.same(
      kept.map((payload) => Buffer.alloc(LARGE_BYTES, payload[0]).equals(payload)),
      [true, true, true, true],
    )
    t.ok(borrowed.every(({ isRight }) => isRight))
    // One that has come in a single piece is the socket's own.
    t.ok(new Set(borrowed.map(({ array }) => array)).size < 4)
  },
)

t.test('closing does not wait for a server that is gone', async (t) => {
  const { url, stop } = await startTestNats(t)
  const bus = await openTestBus(t, url)
  await stop()
  await until(() => !bus.isConnected)
  await bus.close()
  t.notOk(bus.isConnected)
})

async function temporaryDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'callgate-bus-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}

function outgoing(payload: Buffer, rest: Partial<OutgoingMessage> = {}): OutgoingMessage {
  const buffer = Buffer.alloc(HEAD_ROOM_BYTES + payload.length + TAIL_ROOM_BYTES)
  payload.copy(buffer, HEAD_ROOM_BYTES)
  return {
    buffer,
    start: HEAD_ROOM_BYTES,
    end: HEAD_ROOM_BYTES + payload.length,
    subject: 'a.b',
    replyTo: 'mine.1',
    release: () => {},
    ...rest,
  }
}
