// Who does not read slows down whoever writes to him, and costs neither the gateway nor the runner more
// than a bounded amount of memory.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { frameBytes, OPCODE, RawSocket } from '../support/raw-socket.js'
import { ScriptedSocket, signalled } from '../support/scripted-socket.js'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

const MIB = 1024 * 1024

const system = await System.start(t)
const talk = new ScriptedSocket('talk', { route: 'WS /talk' })
await system.serve(talk.definition)
const hasty = new ScriptedSocket('hasty', { route: 'WS /hasty' })
await system.serve(hasty.definition, { cancelGraceMs: 100 })
const url = `${system.url}/talk`

t.afterEach(() => system.atRest())

/** Sends `data` for as long as there is room; returns how many messages that were when none was for a while. */
async function sendUntilHeld(send: () => Promise<void>): Promise<number> {
  for (let sent = 0; ; sent++) {
    const isSent = await Promise.race([send().then(() => true), delay(300, false, { ref: false })])
    if (!isSent) return sent
  }
}

t.test('a client that does not read holds the function at its send', async (t) => {
  const held = signalled<number>()
  const settled = talk.does(async (socket) => {
    const message = Buffer.alloc(64 * 1024, 'x')
    held.go(await sendUntilHeld(() => socket.send(message)))
    for await (const _message of socket);
  })
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  socket.socket.pause()
  const sent = await held.promise
  // What the kernel's buffers take, and the window of this one invocation.
  t.ok(sent < 16 * 16, `${sent} messages of 64 KiB were sent`)
  // When it reads again, everything comes.
  socket.socket.resume()
  for (let index = 0; index <= sent; index++) {
    let bytes = 0
    for (let isLast = false; !isLast; ) {
      const frame = await socket.frame()
      bytes += frame!.payload.length
      isLast = frame!.isLast
    }
    if (bytes !== 64 * 1024) t.fail(`message ${index} has ${bytes} bytes`)
  }
  socket.leave()
  await settled
})

t.test(
  'forty clients that do not read leave gateway and runner within their budgets',
  async (t) => {
    let held = 0
    const all = signalled()
    talk.does(async (socket) => {
      const message = Buffer.alloc(64 * 1024, 'x')
      await sendUntilHeld(() => socket.send(message))
      if (++held === 40) all.go()
      for await (const _message of socket);
    })
    const before = process.memoryUsage().rss
    const sockets = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = await RawSocket.open(t, system.port, { path: '/talk' })
        socket.socket.pause()
        return socket
      }),
    )
    await all.promise
    const grownMib = (process.memoryUsage().rss - before) / MIB
    t.ok(grownMib < 200, `${Math.round(grownMib)} MiB more`)
    for (const socket of sockets) socket.leave()
    await system.atRest('talk')
  },
)

t.test('a function that does not read: its client is closed with 1013', async (t) => {
  const mayReturn = signalled()
  let closeCode: unknown
  const settled = talk.does(async (socket, { signal }) => {
    socket.accept()
    await mayReturn.promise
    if (!signal.aborted) await once(signal, 'abort')
    closeCode = socket.closeCode
  })
  const before = process.memoryUsage().rss
  const client = await SocketClient.open(t, url, { perMessageDeflate: false })
  const message = Buffer.alloc(64 * 1024)
  let sent = 0
  while (client.ws.readyState === client.ws.OPEN && sent < 10_000) {
    await client.send(message).catch(() => {})
    sent++
  }
  t.match(await client.closed, { code: 1013, reason: /keep up/ })
  const grownMib = (process.memoryUsage().rss - before) / MIB
  t.ok(sent < 2_000, `${sent} messages of 64 KiB were sent`)
  t.ok(grownMib < 150, `${Math.round(grownMib)} MiB more`)
  mayReturn.go()
  await settled
  t.equal(closeCode, 1013)
})

t.test('so it is when the messages are many and empty', async (t) => {
  const mayReturn = signalled()
  const settled = talk.does(async (socket) => {
    socket.accept()
    await mayReturn.promise
  })
  const socket = await RawSocket.open(t, system.port, { path: '/talk' })
  const frame = frameBytes({ opcode: OPCODE.binary })
  const many = Buffer.concat(Array(10_000).fill(frame))
  let sent = 0
  const closed = socket.closed.then(() => true)
  while (!(await Promise.race([closed, delay(0, false)])) && sent < 2_000_000) {
    await Promise.race([socket.write(many), closed])
    sent += 10_000
  }
  t.ok(sent < 500_000, `${sent} empty messages were sent`)
  mayReturn.go()
  await settled
})

t.test('a function that reads slowly within the bound misses nothing', async (t) => {
  // What still waited in the gateway was dropped when the client had closed.
  const seen: number[] = []
  const settled = talk.does(async (socket) => {
    for await (const message of socket) {
      seen.push((message as Uint8Array)[0]!)
      await delay(1)
    }
  })
  const client = await SocketClient.open(t, url, { perMessageDeflate: false })
  for (let index = 0; index < 60; index++) await client.send(Buffer.alloc(16 * 1024, index))
  t.match(await client.close(1000), { code: 1000 })
  t.equal(await settled, null)
  t.same(
    seen,
    Array.from({ length: 60 }, (_, index) => index),
  )
})

t.test('a small limit for a message is no small limit for their number', async (t) => {
  // What may wait was bounded by the largest message alone: a thousand bytes, where the function had said so.
  const small = new ScriptedSocket('small', { route: 'WS /small', maxMessageBytes: 1_000 })
  await system.serve(small.definition)
  let received = 0
  const settled = small.does(async (socket) => {
    for await (const _message of socket) received++
  })
  const client = await SocketClient.open(t, `${system.url}/small`, { perMessageDeflate: false })
  for (let index = 0; index < 500; index++) client.ws.send(Buffer.alloc(1_000))
  t.match(await client.close(1000), { code: 1000 })
  t.equal(await settled, null)
  t.equal(received, 500)
})

t.test('one that still reads when its grace period is over is not left waiting', async (t) => {
  // The gateway had forgotten the call by then, and what it held of the messages: the iteration never ended
  // and the slot never came back.
  const seen: number[] = []
  const settled = hasty.does(async (socket, { signal }) => {
    socket.accept()
    if (!signal.aborted) await once(signal, 'abort')
    for await (const message of socket) {
      seen.push((message as Uint8Array)[0]!)
      await delay(20)
    }
  })
  const client = await SocketClient.open(t, `${system.url}/hasty`, { perMessageDeflate: false })
  for (let index = 0; index < 60; index++) await client.send(Buffer.alloc(16 * 1024, index))
  await client.close(1000)
  await settled
  t.ok(seen.length < 60, `it had ${seen.length} of 60 messages`)
})

t.test('both sides may send at once, more than any buffer holds', async (t) => {
  const count = 200
  const message = Buffer.alloc(64 * 1024, 'y')
  let received = 0
  const settled = talk.does(async (socket) => {
    const sending = (async () => {
      for (let index = 0; index < count; index++) await socket.send(message)
    })()
    for await (const _message of socket) if (++received === count) break
    await sending
    await socket.send('both done')
  })
  const client = await SocketClient.open(t, url, { perMessageDeflate: false })
  for (let sent = 1; sent <= count; sent++) {
    await client.send(message)
    // At the pace of whoever reads, so that not too much waits for it.
    while (sent - received > 8) await delay(1)
  }
  for (let index = 0; index < count; index++) {
    if (!message.equals((await client.next()) as Buffer)) t.fail(`message ${index} differs`)
  }
  t.equal(await client.next(), 'both done')
  t.equal(await settled, null)
})

t.test('a thousand connections come, talk, and leave nothing behind', async (t) => {
  talk.does(async (socket) => {
    for await (const message of socket) await socket.send(message)
  })
  let left = 1_000
  const visit = async () => {
    while (left-- > 0) {
      const client = await SocketClient.open(t, url)
      await client.send('hello')
      await client.next()
      if (left % 2 === 0) await client.close(1000)
      else client.ws.terminate()
    }
  }
  await Promise.all(Array.from({ length: 50 }, visit))
  await system.atRest('talk')
  const { slots, freeSlots } = await system.state('talk')
  t.equal(freeSlots, slots)
})
