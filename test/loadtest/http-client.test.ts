// The client that accounts for every call, against servers that do what servers should not.

import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type Test, test } from 'tap'
import { HttpClient, type HttpRequest } from '../../loadtest/clients/http-client.js'

const GET: HttpRequest = { method: 'GET', path: '/', patienceMs: 20_000 }
const WHOLE = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** @param serve gets each request's bytes, and which connection of the server they came on */
async function clientOf(t: Test, serve: (socket: Socket, text: string, number: number) => void) {
  let connections = 0
  const server = createServer((socket) => {
    const number = connections++
    socket.on('data', (bytes) => serve(socket, String(bytes), number))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new HttpClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => {
    client.close()
    server.close()
  })
  return { client, server, connections: () => connections }
}

test('a whole answer, and its connection serves the next call', async (t) => {
  const { client, connections } = await clientOf(t, (socket) => socket.write(WHOLE))
  for (let count = 0; count < 3; count++) {
    const end = await client.call(GET)
    t.equal(end.how === 'answered' && String(end.answer.body), 'ok')
  }
  t.equal(connections(), 1)
  await client.call({ ...GET, isNewcomer: true })
  t.equal(connections(), 2)
})

test('one that is cut, one without an answer, and one that is no HTTP', async (t) => {
  const half = await clientOf(t, (socket) => socket.end(WHOLE.slice(0, -1)))
  t.equal((await half.client.call(GET)).how, 'cut')
  const none = await clientOf(t, (socket) => socket.destroy())
  t.equal((await none.client.call(GET)).how, 'lost')
  const other = await clientOf(t, (socket) => socket.write('220 ready\r\n\r\n'))
  t.equal((await other.client.call(GET)).how, 'garbled')
  other.server.close()
  const end = await new HttpClient('http://127.0.0.1:9').call(GET)
  t.same(end, { how: 'lost', reason: 'ECONNREFUSED', history: 'the connection was new' })
})

test('one that never ends is hung; a client that leaves is gone', async (t) => {
  const { client } = await clientOf(t, (socket) => socket.write(WHOLE.slice(0, -1)))
  t.same(await client.call({ ...GET, patienceMs: 50 }), { how: 'hung', afterMs: 50 })
  t.same(await client.call({ ...GET, leaveAfterMs: 50 }), { how: 'left' })
})

test('a body that is sent in part, and one that is read slowly', async (t) => {
  let received = ''
  const half = await clientOf(t, (_socket, text) => {
    received += text
  })
  const body = 'x'.repeat(1000)
  const post: HttpRequest = { ...GET, method: 'POST', body, sentBytes: 10, leaveAfterMs: 200 }
  t.same(await half.client.call(post), { how: 'left' })
  t.match(received, /content-length: 1000\r\n\r\nx{10}$/)

  const long = `HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n${'y'.repeat(100_000)}`
  const slow = await clientOf(t, (socket) => socket.write(long))
  const startMs = performance.now()
  const end = await slow.client.call({ ...GET, readBytesPerSecond: 500_000 })
  t.equal(end.how === 'answered' && end.answer.body.byteLength, 100_000)
  t.ok(performance.now() - startMs >= 50)
})
