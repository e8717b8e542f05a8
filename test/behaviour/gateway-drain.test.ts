// A gateway that is told to stop lets nobody down within its time, and after it nothing half looks whole.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { type DefinedFunction, defineFunction } from '../../runner/define-function.js'
import type { RawClient } from '../support/raw-client.js'
import { ScriptedSocket, signalled } from '../support/scripted-socket.js'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

const MIB = 1024 * 1024
const BULK_BYTES = 24 * MIB
/** Longer than a gateway takes that has nothing to wait for. It has, unless the kernel holds all of it by then. */
const UNHURRIED_MS = 1_500

/** Its runners serve the gateways that are stopped. */
const system = await System.start(t)
let gate = signalled()

async function serve(name: string, definition: Omit<DefinedFunction, 'name'>): Promise<void> {
  await system.serve({ ...definition, name } as DefinedFunction & { name: string })
}
const define = { auth: 'public', maxInputs: 100 } as const
await serve('quick', defineFunction({ ...define, run: (input) => input ?? 'quick' }))
const waits = async () => {
  await gate.promise
  return 'held'
}
await serve('held', defineFunction({ ...define, run: waits }))
await serve('single', defineFunction({ ...define, maxInputs: 1, run: waits }))
await serve(
  'ticks',
  defineFunction({
    ...define,
    run: async function* () {
      yield 'first'
      await gate.promise
      yield 'last'
    },
  }),
)
await serve(
  'bulk',
  defineFunction({
    ...define,
    route: 'GET /bulk',
    fetch: (request) => {
      let left = Number(new URL(request.url).searchParams.get('bytes') ?? BULK_BYTES) / MIB
      const pull = (controller: ReadableStreamDefaultController) => {
        if (left-- > 0) controller.enqueue(new Uint8Array(MIB))
        else controller.close()
      }
      return new Response(new ReadableStream({ pull }))
    },
  }),
)
const scripted = new ScriptedSocket('talk', { route: 'WS /talk' })
await system.serve(scripted.definition)

t.beforeEach(() => {
  gate = signalled()
})
t.afterEach(async () => {
  gate.go()
  await system.atRest()
})

/** A gateway of its own for a test to stop. */
async function startOther(t: Parameters<typeof System.start>[0], gateway = {}): Promise<System> {
  const other = await System.start(t, {
    nats: system.nats,
    gateway: { drainMs: 10_000, ...gateway },
  })
  for (const name of ['quick', 'held', 'single', 'ticks', 'bulk', 'talk']) {
    await other.until(name, ({ runners }) => runners.length > 0)
  }
  return other
}

async function post(other: System, path: string, accept = '*/*'): Promise<RawClient> {
  const client = await other.connect()
  await client.write(requestOf(path, accept))
  return client
}

function requestOf(path: string, accept = '*/*'): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\nContent-Length: 0\r\n\r\n`
}

const handshake = [
  'GET /talk HTTP/1.1',
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n')

t.test('calls are finished, and connections end behind their answers', async (t) => {
  const other = await startOther(t)
  const kept = await post(other, '/quick')
  t.match(await kept.answer(), { status: 200, headers: { connection: undefined } })
  const silent = await other.connect()
  const busy = await post(other, '/held')
  await other.until('held', ({ counters }) => counters.inFlight === 1)
  // Half of a body: nothing of it has reached a function.
  const slow = await other.connect()
  await slow.write('POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"a')

  const closed = other.gateway.close()
  await kept.write(requestOf('/quick'))
  t.match(await kept.answer(), { status: 200, headers: { connection: 'close' } })
  t.equal(await kept.closed, false)
  await slow.write('b"')
  t.match(await slow.answer(), { status: 200, headers: { connection: 'close' } })
  await silent.write(requestOf('/missing'))
  t.match(await silent.answer(), { status: 404, headers: { connection: 'close' } })
  t.equal(await silent.closed, false)
  gate.go()
  t.match(await busy.answer(), { status: 200, headers: { connection: 'close' }, isWhole: true })
  t.equal(await busy.closed, false)
  await closed
  const [error] = await once(connect(other.port, '127.0.0.1'), 'error')
  t.equal(error.code, 'ECONNREFUSED')
})

t.test('a connection that stays idle is closed', async (t) => {
  const other = await startOther(t)
  const kept = await post(other, '/quick')
  await kept.answer()
  const closed = other.gateway.close()
  t.equal(await kept.closed, false)
  await closed
})

t.test('a call that waits for a slot goes on waiting', async (t) => {
  const other = await startOther(t)
  const first = await post(other, '/single')
  await other.until('single', ({ counters }) => counters.inFlight === 1)
  const second = await post(other, '/single')
  await other.until('single', ({ queued }) => queued === 1)
  const closed = other.gateway.close()
  gate.go()
  t.match(await first.answer(), { status: 200 })
  t.match(await second.answer(), { status: 200, headers: { connection: 'close' } })
  await closed
})

t.test('streams go on to their end, begun before it or after', async (t) => {
  const other = await startOther(t)
  const kept = await other.connect()
  const early = await post(other, '/ticks', 'text/event-stream')
  const head = await early.head()
  t.equal(head?.headers.connection, undefined)
  t.match(String(await early.chunk()), 'first')
  const closed = other.gateway.close()
  await kept.write(requestOf('/ticks', 'application/x-ndjson'))
  const late = await kept.head()
  t.equal(late?.headers.connection, 'close')
  t.match(String(await kept.chunk()), 'first')
  gate.go()
  for (const client of [early, kept]) {
    t.match(String(await client.chunk()), 'last')
    t.equal(await client.chunk(), null, 'its last chunk has come')
  }
  kept.socket.end()
  // The next one may have been on its way before the gateway could say anything of its leaving.
  await early.write(requestOf('/quick'))
  t.match(await early.answer(), { status: 200, headers: { connection: 'close' } })
  await closed
})

t.test('what is left when the time is over is broken off, and says why', async (t) => {
  const other = await startOther(t, { drainMs: 300 })
  const events = await post(other, '/ticks', 'text/event-stream')
  const lines = await post(other, '/ticks', 'application/x-ndjson')
  const busy = await post(other, '/single')
  await other.until('single', ({ counters }) => counters.inFlight === 1)
  const queued = await post(other, '/single')
  await other.until('single', ({ queued }) => queued === 1)
  await other.until('ticks', ({ counters }) => counters.inFlight === 2)
  const slow = await other.connect()
  await slow.write('POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"a')
  await other.gateway.close()
  const stream = await events.answer()
  t.equal(stream?.isWhole, false)
  t.match(String(stream?.body), /^data: "first"\n\nevent: error\ndata: .*"code":"draining"/)
  t.match(await lines.answer(), { status: 200, isWhole: false, body: Buffer.from('"first"\n') })
  for (const client of [busy, queued, slow]) {
    const answer = await client.answer()
    t.match(answer, { status: 503, headers: { connection: 'close', 'retry-after': '1' } })
    t.match(String(answer?.body), '"code":"draining"')
  }
  const codes = other.logLines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'call')
  t.same(
    codes.map(({ code }) => code),
    Array(5).fill('draining'),
  )
})

t.test('an answer that a slow client has not read yet is waited for', async (t) => {
  // The call was over as soon as the function had said everything, and its connection was cut.
  const other = await startOther(t)
  const socket = connect(other.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write('GET /bulk HTTP/1.1\r\nHost: x\r\n\r\n')
  const reader = new StepReader(socket)
  do await reader.read(MIB / 4)
  while ((await other.state('bulk')).counters.inFlight > 0)
  const closed = other.gateway.close()
  await Promise.race([closed, delay(UNHURRIED_MS)])
  await reader.read(Number.POSITIVE_INFINITY)
  t.ok(reader.bytes > BULK_BYTES)
  t.equal(reader.tail, '0\r\n\r\n')
  socket.destroy()
  await closed
})

for (const bytes of [2 * MIB, BULK_BYTES]) {
  t.test(`who reads ${bytes} bytes slowly may still send another request`, async (t) => {
    // The second in which a connection may be silent was counted from the last byte that was handed over: by
    // the time its client had read that, the connection was closed.
    const other = await startOther(t)
    const socket = connect(other.port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.write(`GET /bulk?bytes=${bytes} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const reader = new StepReader(socket)
    await reader.read(1)
    const closed = other.gateway.close()
    while (!other.logLines.some((line) => line.includes('"path":"/bulk'))) {
      if (bytes === BULK_BYTES) await reader.read(MIB / 4)
      await delay(5)
    }
    t.ok(reader.bytes < bytes, 'the kernel holds the rest')
    await delay(UNHURRIED_MS)
    await reader.read(Number.POSITIVE_INFINITY)
    t.equal(reader.tail, '0\r\n\r\n')
    socket.write('GET /missing HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'readable')
    t.match(String(socket.read()), /^HTTP\/1.1 404 (.*\r\n)*connection: close/i)
    await closed
  })
}

t.test('a WebSocket reads what it was sent, and then its 1012', async (t) => {
  const other = await startOther(t)
  let sent = 0
  const settled = scripted.does(async (socket) => {
    for (;;) {
      await socket.send(new Uint8Array(64 * 1024))
      sent++
    }
  })
  const client = await SocketClient.open(t, `${other.url}/talk`)
  client.ws.pause()
  // Until nothing moves any more. A busy core may make the pause end before what has come is read; another
  // call's way there and back tells that it has been.
  for (let before = -1; before < sent; ) {
    before = sent
    await delay(100)
    await (await post(other, '/quick')).answer()
  }
  const closed = other.gateway.close()
  await settled
  await Promise.race([closed, delay(UNHURRIED_MS)])
  client.ws.resume()
  t.match(await client.closed, { code: 1012 })
  t.ok(client.unread >= sent, `${client.unread} of ${sent} messages`)
  await closed
})

t.test('no new WebSocket is opened: 503, and when to come back', async (t) => {
  const other = await startOther(t)
  const client = await other.connect()
  const closed = other.gateway.close()
  await client.write(handshake)
  const answer = await client.answer()
  t.match(answer, { status: 503, headers: { connection: 'close', 'retry-after': '1' } })
  t.match(String(answer?.body), '"code":"draining"')
  await closed
})

t.test('drainDelayMs: not ready at once, and serving as ever for so long', async (t) => {
  const other = await startOther(t, { drainDelayMs: 500 })
  const startedMs = performance.now()
  const closed = other.gateway.close()
  const ready = await fetch(`${other.gateway.adminUrl}/readyz`)
  t.match(await ready.json(), { reason: 'draining' })
  t.equal(ready.status, 503)
  const client = await post(other, '/quick')
  t.match(await client.answer(), { status: 200, headers: { connection: undefined } })
  await closed
  t.ok(performance.now() - startedMs >= 500)
})

/** Reads as much as it is asked for, and nothing more. */
class StepReader {
  bytes = 0
  tail = ''
  readonly #socket: Socket
  #hasEnded = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('readable', () => this.#wake())
    socket.on('close', () => {
      this.#hasEnded = true
      this.#wake()
    })
  }

  /** Up to `bytes`, or to what ends a chunked body. */
  async read(bytes: number): Promise<void> {
    const untilBytes = this.bytes + bytes
    while (this.bytes < untilBytes && this.tail !== '0\r\n\r\n' && !this.#hasEnded) {
      const piece: Buffer | null = this.#socket.read()
      if (piece === null) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      this.bytes += piece.length
      this.tail = (this.tail + piece.subarray(-5).toString('latin1')).slice(-5)
    }
  }
}
