// Messages of a WebSocket reach the function as they were sent and come back as it sends them: text and
// bytes, empty and large, whole and in fragments, compressed or not.

import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { CallSocket } from '../../runner/define-function.js'
import { frameBytes, OPCODE, RawSocket } from '../support/raw-socket.js'
import { ScriptedSocket } from '../support/scripted-socket.js'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

const MIB = 1024 * 1024

const system = await System.start(t)
const talk = new ScriptedSocket('talk', { route: 'WS /talk' })
await system.serve(talk.definition)
const narrow = new ScriptedSocket('narrow', { route: 'WS /narrow', maxMessageBytes: 1000 })
await system.serve(narrow.definition)
const url = `${system.url}/talk`

async function echo(socket: CallSocket): Promise<void> {
  for await (const message of socket) await socket.send(message)
}

t.afterEach(() => system.atRest())

t.test('text comes back as text, bytes as bytes', async (t) => {
  talk.does(echo)
  const client = await SocketClient.open(t, url)
  for (const message of ['hello', 'ä\u2028€𝄞\0', '{"a":1}', ' ', '\ufeff']) {
    await client.send(message)
    t.equal(await client.next(), message)
  }
  for (const message of [Buffer.of(0), Buffer.of(0xff, 0xfe, 0x80), randomBytes(70_000)]) {
    await client.send(message)
    t.same(await client.next(), message)
  }
  t.match(await client.close(1000), { code: 1000 })
})

t.test('the function sees strings and byte arrays of exactly the message', async (t) => {
  const seen: unknown[] = []
  const settled = talk.does(async (socket) => {
    for await (const message of socket) {
      seen.push(typeof message === 'string' ? message : message.constructor.name, message.length)
    }
  })
  const client = await SocketClient.open(t, url)
  await client.send('text')
  await client.send(Buffer.of(1, 2, 3))
  await client.close(1000)
  await settled
  t.match(seen, ['text', 4, /^(Uint8Array|Buffer)$/, 3])
})

t.test('an empty message is a message', async (t) => {
  talk.does(echo)
  const client = await SocketClient.open(t, url)
  await client.send('')
  t.equal(await client.next(), '')
  await client.send(Buffer.alloc(0))
  t.same(await client.next(), Buffer.alloc(0))
  await client.close(1000)
})

t.test('a lone surrogate leaves as U+FFFD, never as broken UTF-8', async (t) => {
  talk.does((socket) => socket.send('a\ud800b'))
  const client = await SocketClient.open(t, url)
  t.equal(await client.next(), 'a\ufffdb')
  t.match(await client.closed, { code: 1000 })
})

t.test('messages keep their order and their number', async (t) => {
  talk.does(echo)
  const client = await SocketClient.open(t, url)
  const count = 2_000
  for (let index = 0; index < count; index++) {
    client.ws.send(index % 2 === 0 ? `${index}` : Buffer.from(`${index}`))
  }
  for (let index = 0; index < count; index++) {
    const message = await client.next()
    if (String(message) !== `${index}` || Buffer.isBuffer(message) !== (index % 2 === 1)) {
      t.fail(`message ${index} was ${message}`)
    }
  }
  t.match(await client.close(1000), { code: 1000 })
})

t.test('what the function sends before it returns arrives before the close', async (t) => {
  talk.does(async (socket) => {
    for (let index = 0; index < 100; index++) await socket.send(`${index}`)
  })
  const client = await SocketClient.open(t, url)
  for (let index = 0; index < 100; index++) t.equal(await client.next(), `${index}`)
  t.match(await client.closed, { code: 1000 })
})

t.test('so does what it sends without waiting', async (t) => {
  // Messages that waited for credit were dropped when the function returned or closed, a large one in its
  // middle.
  for (const end of [() => {}, (socket: CallSocket) => socket.close(4000, 'bye')]) {
    talk.does((socket) => {
      for (let index = 0; index < 20; index++) void socket.send(Buffer.alloc(50_000, index))
      end(socket)
    })
    const client = await SocketClient.open(t, url)
    for (let index = 0; index < 20; index++) {
      const message = await client.next()
      if (message === null) {
        t.fail(`the connection closed after ${index} of 20 messages`)
        break
      }
      if (!Buffer.alloc(50_000, index).equals(message as Buffer)) t.fail(`message ${index} differs`)
    }
    t.match(await client.closed, { code: /^(1000|4000)$/ })
  }
})

t.test('a message in fragments is one message, with pings in between answered', async (t) => {
  talk.does(echo)
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  await socket.send({ opcode: OPCODE.text, payload: 'one ', isLast: false })
  await socket.send({ opcode: OPCODE.ping, payload: 'are you there' })
  await socket.send({ opcode: OPCODE.continuation, payload: '', isLast: false })
  await socket.send({ opcode: OPCODE.continuation, payload: 'two ä'.slice(0, 4), isLast: false })
  await socket.send({ opcode: OPCODE.continuation, payload: 'ä' })
  t.match(await socket.frame(), { opcode: OPCODE.pong, payload: Buffer.from('are you there') })
  t.match(await socket.frame(), {
    opcode: OPCODE.text,
    isLast: true,
    payload: Buffer.from('one two ä'),
  })
  socket.leave()
})

t.test('a character may be cut by a fragment', async (t) => {
  talk.does(echo)
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  const bytes = Buffer.from('€𝄞')
  await socket.send({ opcode: OPCODE.text, payload: bytes.subarray(0, 1), isLast: false })
  for (let at = 1; at < bytes.length; at++) {
    await socket.send({
      opcode: OPCODE.continuation,
      payload: bytes.subarray(at, at + 1),
      isLast: at === bytes.length - 1,
    })
  }
  t.match(await socket.frame(), { opcode: OPCODE.text, payload: bytes })
  socket.leave()
})

t.test('frames that come byte by byte are read', async (t) => {
  talk.does(echo)
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  const frame = frameBytes({ opcode: OPCODE.binary, payload: randomBytes(200) })
  for (const byte of frame) await socket.write(Uint8Array.of(byte))
  t.match(await socket.frame(), { opcode: OPCODE.binary, isLast: true })
  socket.leave()
})

t.test('a ping is answered with its payload, also while the function does nothing', async (t) => {
  talk.does(async (socket) => {
    for await (const _message of socket);
  })
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  for (const payload of [Buffer.alloc(0), Buffer.from('x'), randomBytes(125)]) {
    await socket.send({ opcode: OPCODE.ping, payload })
    t.match(await socket.frame(), { opcode: OPCODE.pong, payload })
  }
  await socket.send({ opcode: OPCODE.pong, payload: 'nobody asked' })
  await socket.send({ opcode: OPCODE.ping })
  t.match(await socket.frame(), { opcode: OPCODE.pong })
  socket.leave()
})

for (const [name, offer] of Object.entries({
  'with the defaults of a client': {},
  'without context takeover': { serverNoContextTakeover: true, clientNoContextTakeover: true },
  'with a small window of the client': { clientMaxWindowBits: 9 },
})) {
  t.test(`compressed messages come and go ${name}`, async (t) => {
    talk.does(echo)
    const client = await SocketClient.open(t, url, {
      perMessageDeflate: { threshold: 0, ...offer },
    })
    t.match(client.ws.extensions, /permessage-deflate/)
    for (const message of ['', 'hello', 'a'.repeat(100_000), 'ä€𝄞'.repeat(1000)]) {
      await client.send(message)
      t.equal(await client.next(), message)
    }
    for (const bytes of [0, 1, 511, 512, 70_000, 300_000]) {
      const message = randomBytes(bytes)
      await client.send(message)
      t.ok(message.equals((await client.next()) as Buffer), `${bytes} random bytes`)
    }
    t.match(await client.close(1000), { code: 1000 })
  })
}

t.test('a client that does not compress is not compressed to', async (t) => {
  talk.does(echo)
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  t.equal(socket.headers['sec-websocket-extensions'], undefined)
  const payload = Buffer.alloc(10_000, 'a')
  await socket.send({ opcode: OPCODE.binary, payload })
  t.match(await socket.frame(), { reserved: 0, payload })
  socket.leave()
})

const ANSWER = 'permessage-deflate; client_no_context_takeover; server_no_context_takeover'

for (const [offer, answer] of [
  ['permessage-deflate; client_max_window_bits', ANSWER],
  ['permessage-deflate; server_max_window_bits=9, permessage-deflate', ANSWER],
  ['permessage-deflate; server_max_window_bits=9', undefined],
  ['permessage-deflate; server_max_window_bits=16', undefined],
  ['permessage-deflate; server_no_context_takeover=1', undefined],
  ['permessage-deflate; client_no_context_takeover; client_no_context_takeover', undefined],
  ['permessage-deflate; unknown', undefined],
  ['x-webkit-deflate-frame', undefined],
]) {
  t.test(`${offer} is ${answer === undefined ? 'declined' : 'taken'}`, async (t) => {
    // The engine took all of them: a client that asked for a window of 2^9 bytes got messages that need 2^15.
    talk.does(echo)
    const headers = { 'Sec-WebSocket-Extensions': offer! }
    const socket = await RawSocket.open(t, system.port, { path: '/talk', headers })
    t.equal(socket.headers['sec-websocket-extensions'], answer)
    await socket.send({ opcode: OPCODE.binary, payload: Buffer.alloc(10_000, 'a') })
    t.match(await socket.frame(), { reserved: answer === undefined ? 0 : 4 })
    socket.leave()
  })
}

t.test('a message of 16 MiB is echoed as it was', async (t) => {
  talk.does(echo)
  const client = await SocketClient.open(t, url, { perMessageDeflate: false })
  const message = randomBytes(16 * MIB)
  await client.send(message)
  t.ok(message.equals((await client.next()) as Buffer))
  t.match(await client.close(1000), { code: 1000 })
})

t.test('one byte more is 1009', async (t) => {
  const settled = talk.does(echo)
  const client = await SocketClient.open(t, url, { perMessageDeflate: false })
  await client.send(Buffer.alloc(16 * MIB + 1))
  t.match(await client.closed, { code: 1009, reason: /16777216/ })
  await settled
})

t.test('more than twice the limit is cut by the engine, without a word', async (t) => {
  // uWebSockets.js closes the connection at the frame's head, before any handler hears of it.
  const settled = talk.does(echo)
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  await socket.write(
    frameBytes({ opcode: OPCODE.binary, payload: 'x', claimedLength: 32 * MIB + 1 }),
  )
  t.equal(await socket.frame(), null)
  await socket.closed
  await settled
})

t.test('so is a compressed message that would become as large', async (t) => {
  const settled = talk.does(echo)
  const client = await SocketClient.open(t, url, { perMessageDeflate: { threshold: 0 } })
  client.ws.send(Buffer.alloc(33 * MIB))
  t.match(await client.closed, { code: 1006 })
  await settled
})

t.test("a function's own limit is kept", async (t) => {
  const settled = narrow.does(echo)
  const client = await SocketClient.open(t, `${system.url}/narrow`)
  await client.send(Buffer.alloc(1000, 'a'))
  t.same(await client.next(), Buffer.alloc(1000, 'a'))
  await client.send(Buffer.alloc(1001))
  t.match(await client.closed, { code: 1009, reason: /1000 bytes/ })
  await settled
})

t.test('and in what it sends', async (t) => {
  let error: unknown
  narrow.does(async (socket) => {
    await socket.send(Buffer.alloc(1001)).catch((thrown) => {
      error = thrown
    })
    await socket.send('still here')
  })
  const client = await SocketClient.open(t, `${system.url}/narrow`)
  t.equal(await client.next(), 'still here')
  t.match(error, { name: 'RangeError', message: /1001 bytes.*1000/ })
  t.match(await client.closed, { code: 1000 })
})

t.test('several large messages one behind the other are no flood', async (t) => {
  // The function reads as fast as it can; 1013 is for one that does not keep up.
  talk.does(async (socket) => {
    let messages = 0
    for await (const message of socket) {
      if (message === 'how many?') await socket.send(String(messages))
      else messages++
    }
  })
  const client = await SocketClient.open(t, url, { perMessageDeflate: false })
  for (let index = 0; index < 8; index++) client.ws.send(Buffer.alloc(2 * MIB))
  client.ws.send('how many?')
  t.equal(await client.next(), '8')
  t.match(await client.close(1000), { code: 1000 })
})
