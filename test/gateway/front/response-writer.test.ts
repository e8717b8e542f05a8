// On a real server and raw sockets: what matters is what a client sees, and what the engine says of it.

import type { HttpResponse } from 'uWebSockets.js'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { listen } from '../../../gateway/front/listen.js'
import { ResponseWriter } from '../../../gateway/front/response-writer.js'
import { loadUws } from '../../../gateway/front/uws.js'
import { RawClient } from '../../support/raw-client.js'
import { signalled } from '../../support/scripted-socket.js'

const MIB = 1024 * 1024

const uws = await loadUws()

interface Exchange {
  readonly client: RawClient
  readonly writer: ResponseWriter
  /** Bytes that the writer says have been sent. */
  readonly sent: () => number
  readonly isDone: () => boolean
  readonly done: Promise<void>
}

/** One request, and the writer of its answer. */
async function exchange(t: Test, method = 'GET', isReading = true): Promise<Exchange> {
  const app = uws.App()
  t.teardown(() => app.close())
  const began = signalled<ResponseWriter>()
  const done = signalled()
  let sentBytes = 0
  let dones = 0
  app.any('/*', (res, req) => {
    const writer = new ResponseWriter(res, 'the-call', req.getCaseSensitiveMethod() === 'HEAD', {
      onSent: (bytes) => {
        sentBytes += bytes
      },
      onDone: () => {
        dones++
        done.go()
      },
    })
    res.onAborted(() => writer.abandon())
    began.go(writer)
  })
  const socket = await listen(uws, app, '127.0.0.1', 0, { flag: '--port' })
  const client = await RawClient.connect(t, uws.us_socket_local_port(socket))
  if (!isReading) client.socket.pause()
  await client.write(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`)
  const writer = await began.promise
  // Out of the engine's handler, where everything is corked: an answer comes from NATS, later.
  await new Promise((resolve) => setImmediate(resolve))
  return {
    client,
    writer,
    sent: () => sentBytes,
    isDone: () => {
      if (dones > 1) throw new Error('onDone was called twice.')
      return dones === 1
    },
    done: done.promise,
  }
}

t.test('a whole answer: status, headers, length, call id', async (t) => {
  const { client, writer, isDone } = await exchange(t)
  writer.whole(201, ['content-type', 'text/plain', 'x-a', '1', 'x-a', '2'], 'hello')
  t.match(await client.answer(), {
    status: 201,
    isWhole: true,
    headers: {
      'content-type': 'text/plain',
      'x-a': '1, 2',
      'content-length': '5',
      'x-call-id': 'the-call',
    },
    body: Buffer.from('hello'),
  })
  t.ok(isDone())
  t.ok(writer.isDone)
})

t.test('what the engine writes itself is not written twice', async (t) => {
  const { client, writer } = await exchange(t)
  writer.whole(
    200,
    ['content-length', '99', 'transfer-encoding', 'chunked', 'connection', 'close', 'date', 'x'],
    'hello',
  )
  const answer = await client.answer()
  t.equal(answer?.headers['content-length'], '5')
  t.equal(answer?.headers['transfer-encoding'], undefined)
  t.equal(answer?.body.toString(), 'hello')
})

t.test('a connection is kept, asked to close, or cut', async (t) => {
  for (const [connection, header, isCut] of [
    ['keep', undefined, false],
    ['close', 'close', false],
    ['cut', undefined, true],
  ] as const) {
    const { client, writer } = await exchange(t)
    writer.whole(400, [], 'no', connection)
    const answer = await client.answer()
    t.match(answer, { status: 400, isWhole: true })
    if (header !== undefined) t.equal(answer?.headers.connection, header)
    if (isCut) await client.closed
    else t.notOk(client.hasEnded)
  }
})

t.test('a HEAD is told the length and gets no byte of the body', async (t) => {
  const first = await exchange(t, 'HEAD')
  first.writer.whole(200, [], 'hello')
  t.match(await first.client.answer({ isToHead: true }), {
    headers: { 'content-length': '5' },
  })
  const second = await exchange(t, 'HEAD')
  second.writer.begin(200, ['content-length', '1000000'])
  t.match(await second.client.answer({ isToHead: true }), {
    headers: { 'content-length': '1000000' },
  })
  t.ok(second.isDone())
})

t.test('204 and 304 have no body and no length', async (t) => {
  for (const status of [204, 304]) {
    const { client, writer } = await exchange(t)
    writer.whole(status, [], '')
    const answer = await client.answer()
    t.equal(answer?.status, status)
    t.equal(answer?.headers['content-length'], undefined)
    t.equal(answer?.headers['transfer-encoding'], undefined)
  }
})

t.test('a body of unknown length is chunked, and its bytes are told as they leave', async (t) => {
  const { client, writer, sent, isDone } = await exchange(t)
  writer.begin(200, [])
  writer.write(Buffer.from('one'))
  t.equal(sent(), 3)
  writer.insert(': ping')
  t.equal(sent(), 3, 'what the gateway inserts takes no credit')
  writer.write(Buffer.from('two'))
  t.notOk(isDone())
  writer.end()
  t.ok(isDone())
  t.match(await client.answer(), { isWhole: true, body: Buffer.from('one: pingtwo') })
  t.equal(sent(), 6)
})

t.test('the last bytes may come with the end, also of a body that has no others', async (t) => {
  for (const headers of [[], ['content-length', '6']]) {
    for (const [first, last] of [
      ['', 'onetwo'],
      ['one', 'two'],
      ['onetwo', ''],
    ] as const) {
      const { client, writer, sent, isDone, done } = await exchange(t)
      writer.begin(200, headers)
      if (first !== '') writer.write(Buffer.from(first))
      writer.end(Buffer.from(last))
      await done
      t.ok(isDone())
      const answer = await client.answer()
      t.match(answer, { isWhole: true, body: Buffer.from('onetwo') })
      t.equal(answer?.headers['content-length'], headers[1])
      t.equal(sent(), 6)
      t.equal(writer.bodyBytes, 6)
    }
  }
})

t.test('last bytes that fall short of the length break the answer off', async (t) => {
  const { client, writer, isDone } = await exchange(t)
  writer.begin(200, ['content-length', '7'])
  writer.end(Buffer.from('onetwo'))
  await client.closed
  t.ok(isDone())
  t.notMatch(await client.answer(), { isWhole: true })
})

t.test('bytes may be reused as soon as write returns, however slow the client', async (t) => {
  for (const headers of [[], ['content-length', String(8 * MIB)]]) {
    const { client, writer, sent, isDone, done } = await exchange(t, 'GET', false)
    writer.begin(200, headers)
    const scratch = Buffer.alloc(64 * 1024)
    for (let index = 0; index < 128; index++) {
      writer.write(scratch.fill(index))
      scratch.fill(0xff)
    }
    writer.end()
    t.notOk(isDone())
    t.ok(sent() < 8 * MIB, `${sent()} bytes are with the client`)
    client.socket.resume()
    const answer = await client.answer()
    t.equal(answer?.isWhole, true)
    for (let index = 0; index < 128; index++) {
      const piece = answer!.body.subarray(index * 64 * 1024, (index + 1) * 64 * 1024)
      if (!piece.equals(Buffer.alloc(64 * 1024, index))) t.fail(`piece ${index} differs`)
    }
    await done
    t.equal(sent(), 8 * MIB, 'every byte was told once')
  }
})

t.test(
  'what a slow client has yet to take reaches it, though nothing more is written',
  async (t) => {
    for (const pieceBytes of [8 * MIB, 256 * 1024, 1_000]) {
      const { client, writer, sent } = await exchange(t, 'GET', false)
      let received = 0
      client.socket.on('data', (bytes) => {
        received += bytes.length
      })
      writer.begin(200, [])
      const piece = Buffer.alloc(pieceBytes, 'x')
      while (writer.bodyBytes < 8 * MIB) writer.write(piece)
      t.ok(sent() < 8 * MIB, `${sent()} bytes are with the client`)
      client.socket.resume()
      while (received < writer.bodyBytes) await once(client.socket, 'data')
      while (sent() < writer.bodyBytes) await delay(1)
      writer.end()
      const answer = await client.answer()
      t.ok(answer?.isWhole)
      t.equal(answer?.body.length, writer.bodyBytes)
    }
  },
)

t.test('a sender that waits to be told does not get far ahead of a slow client', async (t) => {
  const { client, writer, sent } = await exchange(t, 'GET', false)
  const piece = Buffer.alloc(256 * 1024, 'x')
  let received = 0
  let mostAhead = 0
  client.socket.removeAllListeners('data').on('data', (bytes) => {
    received += bytes.length
  })
  writer.begin(200, [])
  while (received < 96 * MIB) {
    while (writer.bodyBytes - sent() < 8 * MIB) writer.write(piece)
    // Neither with the client nor in the sender's account: in the engine, where nobody counts it.
    mostAhead = Math.max(mostAhead, sent() - received)
    client.socket.resume()
    await once(client.socket, 'data')
    client.socket.pause()
  }
  // The kernel holds some on its way: 4 MB for the sender and as much for the client.
  t.ok(mostAhead < 10 * MIB, `${mostAhead} bytes`)
})

t.test('a declared length is kept to the client', async (t) => {
  const { client, writer } = await exchange(t)
  writer.begin(200, ['content-length', '6'])
  writer.write(Buffer.from('one'))
  writer.write(Buffer.from('two'))
  writer.end()
  const answer = await client.answer()
  t.match(answer, { headers: { 'content-length': '6' }, body: Buffer.from('onetwo') })
  t.equal(answer?.headers['transfer-encoding'], undefined)
})

t.test('also where another header has the name for its value', async (t) => {
  // `access-control-expose-headers: content-length` hid it: the first place of the text was looked at.
  const { client, writer } = await exchange(t)
  writer.begin(200, ['access-control-expose-headers', 'content-length', 'content-length', '3'])
  writer.write(Buffer.from('one'))
  writer.end()
  t.equal((await client.answer())?.headers['content-length'], '3')
})

t.test('an empty body of declared length', async (t) => {
  const { client, writer, isDone } = await exchange(t)
  writer.begin(200, ['content-length', '0'])
  writer.end()
  t.match(await client.answer(), { headers: { 'content-length': '0' }, isWhole: true })
  t.ok(isDone())
})

t.test('a body shorter than it was declared is not taken for whole', async (t) => {
  const { client, writer, isDone } = await exchange(t)
  writer.begin(200, ['content-length', '10'])
  writer.write(Buffer.from('one'))
  writer.end()
  t.match(await client.answer(), { isWhole: false, body: Buffer.from('one') })
  t.ok(isDone())
})

t.test('a last byte that the socket does not take is not forgotten', async (t) => {
  // An engine that takes all but the byte that was held for the end: no real socket does so at will.
  const taken = [true, false, true]
  let offset = 0
  let isDone = false
  let onWritable = () => {}
  const engine = {
    cork: (act: () => void) => act(),
    writeHeader: () => {},
    onWritable: (listener: () => void) => {
      onWritable = listener
    },
    getWriteOffset: () => offset,
    tryEnd: (bytes: Uint8Array, total: number) => {
      const isTaken = taken.shift()
      if (isTaken) offset += bytes.length
      return [isTaken, offset === total]
    },
    end: () => t.fail('the engine ends the answer by itself'),
  } as unknown as HttpResponse
  const writer = new ResponseWriter(engine, 'the-call', false, {
    onSent: () => {},
    onDone: () => {
      isDone = true
    },
  })
  writer.begin(200, ['content-length', '10'], 'keep', true)
  writer.write(Buffer.alloc(10))
  writer.end()
  t.notOk(isDone)
  onWritable()
  t.ok(isDone)
  t.equal(offset, 10)
})

t.test('an answer that breaks off is seen as broken', async (t) => {
  for (const headers of [[], ['content-length', '10']]) {
    const { client, writer, isDone } = await exchange(t)
    writer.begin(200, headers)
    writer.write(Buffer.from('one'))
    writer.insert(' more')
    writer.breakOff()
    const answer = await client.answer()
    t.equal(answer?.isWhole, false)
    t.match(answer?.body.toString(), /^one/)
    t.ok(isDone())
  }
})

t.test('after the client has left nothing is written, and nothing is owed', async (t) => {
  const { client, writer, sent, isDone } = await exchange(t, 'GET', false)
  writer.begin(200, [])
  const bytes = Buffer.alloc(8 * MIB)
  writer.write(bytes)
  client.leave()
  await client.closed
  while (!writer.isDone) await delay(1)
  t.equal(sent(), 8 * MIB, 'bytes that nobody will take are given back')
  writer.write(bytes)
  writer.insert('more')
  writer.end()
  writer.breakOff()
  writer.whole(200, [], 'late')
  t.equal(sent(), 8 * MIB)
  t.notOk(isDone())
})

t.test('only the first answer counts', async (t) => {
  const { client, writer, isDone } = await exchange(t)
  writer.whole(200, [], 'first')
  writer.whole(500, [], 'second')
  writer.begin(500, [])
  writer.write(Buffer.from('third'))
  writer.end()
  t.match(await client.answer(), { status: 200, body: Buffer.from('first') })
  t.ok(isDone())
})
