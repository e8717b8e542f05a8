// How a WebSocket ends: whoever ends it, for whatever reason, the other side is told the code and the
// reason, the function's signal fires, and the slot is free when the function has settled.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { type CallSocket, PublicError } from '../../runner/define-function.js'
import { closePayload, OPCODE, RawSocket } from '../support/raw-socket.js'
import { ScriptedSocket, signalled } from '../support/scripted-socket.js'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

/** Time enough for a handshake, or a message there and back. */
const IDLE_MS = 2_500

const system = await System.start(t)
const talk = new ScriptedSocket('talk', { route: 'WS /talk' })
await system.serve(talk.definition)
const guarded = new ScriptedSocket('guarded', { route: 'WS /guarded', auth: { scope: 'talk' } })
await system.serve(guarded.definition)
const hurried = new ScriptedSocket('hurried', { route: 'WS /hurried', timeoutMs: 1_500 })
await system.serve(hurried.definition)
const impatient = new ScriptedSocket('impatient', { route: 'WS /impatient', idleMs: IDLE_MS })
await system.serve(impatient.definition)
const single = new ScriptedSocket('single', { route: 'WS /single', maxInputs: 1 })
await system.serve(single.definition)
const url = `${system.url}/talk`

t.afterEach(() => system.atRest())

async function readAll(socket: CallSocket): Promise<void> {
  for await (const _message of socket);
}

async function isAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

for (const [code, reason] of [
  [1000, ''],
  [1000, 'all done'],
  [1001, 'going away'],
  [4000, 'ours'],
  [4999, 'ä'.repeat(61)],
  [1008, 'policy'],
] as const) {
  t.test(`the client closes with ${code} ${reason.slice(0, 12)}`, async (t) => {
    let seen: unknown
    const settled = talk.does(async (socket, { signal }) => {
      await readAll(socket)
      await isAborted(signal)
      seen = { code: socket.closeCode, reason: socket.closeReason }
    })
    const client = await SocketClient.open(t, url)
    t.match(await client.close(code, reason), { code })
    t.equal(await settled, null)
    t.same(seen, { code, reason })
  })
}

t.test('a code from 3000 to 3999 of the client is taken for a fault', async (t) => {
  // uWebSockets.js holds all of 1012 to 3999 for invalid and closes without a code; RFC 6455 keeps 3000 to
  // 3999 for libraries and frameworks. Applications have 4000 to 4999.
  let seen: unknown
  const settled = talk.does(async (socket) => {
    await readAll(socket)
    seen = socket.closeCode
  })
  const client = await SocketClient.open(t, url)
  t.match(await client.close(3000, 'theirs'), { code: 1005 })
  await settled
  t.equal(seen, 1006)
})

t.test('the client closes without a code', async (t) => {
  let seen: unknown
  const settled = talk.does(async (socket) => {
    await readAll(socket)
    seen = { code: socket.closeCode, reason: socket.closeReason }
  })
  const client = await SocketClient.open(t, url)
  t.match(await client.close(), { code: 1005 })
  await settled
  t.same(seen, { code: 1005, reason: '' })
})

t.test('the client is cut: the signal fires, the iteration ends, the code is 1006', async (t) => {
  const before = (await system.state('talk')).counters
  let seen: unknown
  const started = signalled()
  const settled = talk.does(async (socket, { signal }) => {
    socket.accept()
    started.go()
    await readAll(socket)
    await isAborted(signal)
    seen = { code: socket.closeCode, reason: signal.reason?.code }
  })
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  await started.promise
  socket.leave()
  t.equal(await settled, null)
  t.same(seen, { code: 1006, reason: 'cancelled' })
  await system.atRest('talk')
  t.equal((await system.state('talk')).counters.cancelled, before.cancelled + 1)
})

t.test('what came before the close is read before the iteration ends', async (t) => {
  const seen: unknown[] = []
  const mayRead = signalled()
  const settled = talk.does(async (socket) => {
    socket.accept()
    await mayRead.promise
    for await (const message of socket) seen.push(message)
  })
  const client = await SocketClient.open(t, url)
  await client.send('one')
  await client.send('two')
  await client.close(4001, 'enough')
  mayRead.go()
  await settled
  t.same(seen, ['one', 'two'])
})

for (const [code, reason] of [
  [1000, ''],
  [1000, 'done'],
  [1001, ''],
  [1008, 'no'],
  [1011, 'x'.repeat(123)],
  [3000, 'ours'],
  [4999, 'ä'],
] as const) {
  t.test(`the function closes with ${code} ${reason.slice(0, 12)}`, async (t) => {
    let seen: unknown
    const settled = talk.does((socket) => {
      socket.close(code, reason)
      seen = { code: socket.closeCode, reason: socket.closeReason }
    })
    const client = await SocketClient.open(t, url)
    t.same(await client.closed, { code, reason })
    t.equal(await settled, null)
    t.same(seen, { code, reason })
  })
}

t.test('a close that the function asks for is a call that succeeded', async (t) => {
  // Its own close came back to it as one of the client's, and was counted as a call that was cancelled.
  const before = (await system.state('talk')).counters
  let reason: unknown = 'none'
  const mayReturn = signalled()
  const settled = talk.does(async (socket, { signal }) => {
    socket.close(4000, 'bye')
    signal.addEventListener('abort', () => {
      reason = signal.reason
    })
    await mayReturn.promise
  })
  const client = await SocketClient.open(t, url)
  t.match(await client.closed, { code: 4000 })
  mayReturn.go()
  t.equal(await settled, null)
  await system.atRest('talk')
  const { counters } = await system.state('talk')
  t.equal(counters.succeeded, before.succeeded + 1)
  t.equal(counters.cancelled, before.cancelled)
  t.equal(reason, 'none', 'the signal did not fire')
})

t.test('the function closes, and reads what the client still says', async (t) => {
  const seen: unknown[] = []
  const settled = talk.does(async (socket) => {
    await socket.send('last words?')
    for await (const message of socket) {
      seen.push(message)
      socket.close(4000)
    }
  })
  const client = await SocketClient.open(t, url)
  await client.next()
  await client.send('bye')
  t.match(await client.closed, { code: 4000 })
  t.equal(await settled, null, 'the iteration ends')
  t.same(seen, ['bye'])
})

t.test('codes that no application may send are refused to the function', async (t) => {
  const errors: unknown[] = []
  talk.does((socket) => {
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1000.5, Number.NaN]) {
      try {
        socket.close(code)
      } catch (error) {
        errors.push((error as Error).name)
      }
    }
    try {
      socket.close(1000, 'x'.repeat(124))
    } catch (error) {
      errors.push((error as Error).name)
    }
  })
  const client = await SocketClient.open(t, url)
  t.match(await client.closed, { code: 1000 })
  t.same(errors, Array(12).fill('RangeError'))
})

t.test('the function returns: 1000', async (t) => {
  talk.does((socket) => socket.accept())
  const client = await SocketClient.open(t, url)
  t.same(await client.closed, { code: 1000, reason: '' })
})

t.test(
  'a function that returns at once opens the connection and closes it with 1000',
  async (t) => {
    talk.does(() => {})
    for (let round = 0; round < 20; round++) {
      const client = await SocketClient.open(t, url)
      t.same(await client.closed, { code: 1000, reason: '' })
    }
  },
)

t.test('the function throws: 1011, and nothing of its message', async (t) => {
  const before = (await system.state('talk')).counters
  talk.does(async (socket) => {
    await socket.send('first')
    throw new Error('the password is 1234')
  })
  const client = await SocketClient.open(t, url)
  t.equal(await client.next(), 'first')
  const { code, reason } = await client.closed
  t.equal(code, 1011)
  t.notMatch(reason, /1234/)
  await system.atRest('talk')
  t.equal((await system.state('talk')).counters.failed, before.failed + 1)
})

for (const [code, closeCode] of [
  ['bad_request', 1002],
  ['unauthenticated', 4401],
  ['forbidden', 4403],
  ['not_found', 4404],
  ['conflict', 4409],
  ['payload_too_large', 1009],
  ['unsupported_media_type', 1003],
  ['invalid_input', 1007],
  ['rate_limited', 4429],
  ['unavailable', 1013],
] as const) {
  t.test(`a PublicError ${code} closes with ${closeCode}`, async (t) => {
    talk.does((socket) => {
      socket.accept()
      throw new PublicError(code, 'There are words for this.')
    })
    const client = await SocketClient.open(t, url)
    t.same(await client.closed, { code: closeCode, reason: 'There are words for this.' })
  })
}

t.test('a reason that is too long is shortened between two characters', async (t) => {
  talk.does((socket) => {
    socket.accept()
    throw new PublicError('conflict', `x${'ä'.repeat(100)}`)
  })
  const client = await SocketClient.open(t, url)
  t.same(await client.closed, { code: 4409, reason: `x${'ä'.repeat(61)}` })
})

t.test('the token expires: 4401', async (t) => {
  let seen: unknown
  const settled = guarded.does(async (socket) => {
    await readAll(socket)
    seen = socket.closeCode
  })
  const token = await system.token({ scope: 'talk', ttl: '4s' })
  const client = await SocketClient.open(t, `${system.url}/guarded`, {
    headers: { authorization: `Bearer ${token}` },
  })
  t.match(await client.closed, { code: 4401, reason: /expired/ })
  await settled
  t.equal(seen, 4401)
})

t.test('the total time is over: 4408', async (t) => {
  const startedMs = performance.now()
  const aborted = signalled<unknown>()
  hurried.does(async (socket, { signal }) => {
    socket.accept()
    await isAborted(signal)
    aborted.go(signal.reason)
  })
  const client = await SocketClient.open(t, `${system.url}/hurried`)
  t.match(await client.closed, { code: 4408, reason: /1500 ms/ })
  t.ok(performance.now() - startedMs >= 1_499)
  t.match(await aborted.promise, { code: 'timed_out' })
})

t.test('nothing goes either way for too long: 4408; while something goes, it stays', async (t) => {
  let reason: unknown
  const settled = impatient.does(async (socket, { signal }) => {
    signal.addEventListener('abort', () => {
      reason = signal.reason
    })
    for await (const message of socket) await socket.send(message)
  })
  const client = await SocketClient.open(t, `${system.url}/impatient`)
  const startedMs = performance.now()
  let lastMs = startedMs
  while (lastMs - startedMs < IDLE_MS * 1.2) {
    await delay(20)
    lastMs = performance.now()
    await client.send('x')
    if ((await client.next()) !== 'x') t.fail(`closed after ${lastMs - startedMs} ms`)
  }
  t.match(await client.closed, { code: 4408, reason: /2500 ms/ })
  t.ok(performance.now() - lastMs >= IDLE_MS - 1)
  t.match(await settled, { code: 'idle_timed_out' }, 'the iteration fails')
  t.match(reason, { code: 'idle_timed_out' })
})

t.test('the slot is free only when the function has settled', async (t) => {
  const mayReturn = signalled()
  const first = single.does(async (socket, { signal }) => {
    await readAll(socket)
    await isAborted(signal)
    await mayReturn.promise
  })
  const client = await SocketClient.open(t, `${system.url}/single`)
  await client.close(1000)
  t.match(await system.state('single'), { slots: 1, freeSlots: 0, counters: { inFlight: 1 } })
  const second = SocketClient.start(t, `${system.url}/single`)
  await system.until('single', ({ queued }) => queued === 1)
  mayReturn.go()
  await first
  await once(second.ws, 'open')
  await second.close(1000)
})

t.test('a client that leaves while it waits for a slot costs the function nothing', async (t) => {
  const before = (await system.state('single')).counters
  let runs = 0
  const settled = single.does(async (socket) => {
    runs++
    await readAll(socket)
  })
  const first = await SocketClient.open(t, `${system.url}/single`)
  await first.send('hello')
  const second = SocketClient.start(t, `${system.url}/single`)
  await system.until('single', ({ queued }) => queued === 1)
  second.ws.terminate()
  await system.until('single', ({ queued }) => queued === 0)
  await first.close(1000)
  await settled
  await system.atRest('single')
  t.equal(runs, 1)
  const { counters } = await system.state('single')
  t.equal(counters.cancelled, before.cancelled + 1)
})

t.test('the client leaves before the function accepts: its signal fires', async (t) => {
  const started = signalled()
  const reason = signalled<unknown>()
  talk.does(async (_socket, { signal }) => {
    started.go()
    await isAborted(signal)
    reason.go(signal.reason)
  })
  const client = SocketClient.start(t, url)
  await started.promise
  client.ws.terminate()
  t.match(await reason.promise, { code: 'cancelled' })
})

t.test('send fails once the client has left', async (t) => {
  const settled = talk.does(async (socket, { signal }) => {
    socket.accept()
    await isAborted(signal)
    await socket.send('anybody?')
  })
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  socket.leave()
  t.match(await settled, { name: 'Error', message: /./ })
})

t.test('a send that waits for a client that leaves fails', async (t) => {
  // It resolved, as if the message had been sent.
  const waiting = signalled()
  const settled = talk.does(async (socket) => {
    // Together they are far more than any buffer takes: the last one waits.
    const message = Buffer.alloc(1024 * 1024)
    const sends = Array.from({ length: 64 }, () => socket.send(message))
    const last = sends.pop()!
    for (const send of sends) send.catch(() => {})
    waiting.go()
    await last
  })
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  socket.socket.pause()
  await waiting.promise
  socket.leave()
  t.match(await settled, { message: /./ })
})

t.test('the close handshake is completed, whoever begins it', async (t) => {
  // `ws.end` inside `ws.cork` never sent its FIN: a client that waits for the server to end the connection,
  // as RFC 6455 asks of it, waited 15 seconds for the engine's time-out.
  talk.does(readAll)
  const first = await RawSocket.open(t, system.port, { path: '/talk' })
  await first.send({ opcode: OPCODE.close, payload: closePayload(4321, 'bye') })
  const answer = await first.frame()
  t.equal(answer?.opcode, OPCODE.close)
  t.equal(answer?.payload.readUInt16BE(), 4321)
  t.equal(await first.closed, false, 'ended without a reset')

  talk.does((socket) => socket.close(4000, 'bye'))
  const second = await RawSocket.open(t, system.port, { path: '/talk' })
  t.match(await second.frame(), { opcode: OPCODE.close, payload: closePayload(4000, 'bye') })
  await second.send({ opcode: OPCODE.close, payload: closePayload(4000) })
  const startedMs = performance.now()
  await second.closed
  t.ok(performance.now() - startedMs < 10_000, 'and the connection ends')
})
