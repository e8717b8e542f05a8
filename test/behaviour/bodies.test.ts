// Bodies in both directions: bounded, flowing, and never in each other's way.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { RawClient } from '../support/raw-client.js'
import { System, streamOf } from '../support/system.js'

const MAX_BODY_BYTES = 100_000
const LONG_ANSWER_BYTES = 100_000
/** Far more than socket buffers hold. */
const TOO_MANY_BYTES = 30_000_000

const system = await System.start(t)
await system.serveExamples('hello', 'digest')
await system.serve(
  defineFunction({
    name: 'bounded',
    auth: 'public',
    maxInputs: 4,
    maxBodyBytes: MAX_BODY_BYTES,
    fetch: async (request) => Response.json((await request.arrayBuffer()).byteLength),
  }),
)
await system.serve(
  defineFunction({
    name: 'unread',
    auth: 'public',
    maxInputs: 4,
    fetch: () => new Response('I never read'),
  }),
)
await system.serve(
  defineFunction({
    name: 'upper',
    auth: 'public',
    maxInputs: 4,
    fetch: (request) =>
      new Response(
        request
          .body!.pipeThrough(new TextDecoderStream())
          .pipeThrough(
            new TransformStream<string, string>({
              transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()),
            }),
          )
          .pipeThrough(new TextEncoderStream()),
      ),
  }),
)
await system.serve(
  defineFunction({
    name: 'early',
    route: 'POST /early/:isDeclared',
    auth: 'public',
    maxInputs: 4,
    fetch: (_request, { params }) => {
      const headers = { 'content-length': String(LONG_ANSWER_BYTES) }
      const body = streamOf([
        new Uint8Array(LONG_ANSWER_BYTES / 2),
        new Uint8Array(LONG_ANSWER_BYTES / 2),
      ])
      return new Response(body, { headers: params.isDeclared === 'true' ? headers : {} })
    },
  }),
)
const lengths: [header: string, chunks: number[]][] = [
  ['longer', [5, 6]],
  ['shorter', [4, 5]],
]
await system.serve(
  defineFunction({
    name: 'liar',
    route: 'GET /liar/:how',
    auth: 'public',
    maxInputs: 4,
    run: (_input, { params }) => {
      const [, chunks] = lengths.find(([how]) => how === params.how)!
      // One piece in each turn, so that the head has left before the end is known.
      const body = new ReadableStream({
        async pull(controller) {
          const bytes = chunks.shift()
          await new Promise((resolve) => setTimeout(resolve, 5))
          if (bytes === undefined) controller.close()
          else controller.enqueue(new Uint8Array(bytes))
        },
      })
      return new Response(body, { headers: { 'content-length': '10' } })
    },
  }),
)

t.afterEach(() => system.atRest())

t.test('a body of just the size is taken, one byte more is not', async (t) => {
  for (const isChunked of [false, true]) {
    const post = (bytes: number) =>
      fetch(`${system.url}/bounded`, {
        method: 'POST',
        body: isChunked ? streamOf([new Uint8Array(bytes)]) : new Uint8Array(bytes),
        duplex: 'half',
      } as RequestInit)
    t.equal(await (await post(MAX_BODY_BYTES)).json(), MAX_BODY_BYTES)
    const refused = await post(MAX_BODY_BYTES + 1)
    t.equal(refused.status, 413)
    t.match(await refused.json(), { code: 'payload_too_large', detail: /100000 bytes/ })
  }
})

for (const isChunked of [false, true]) {
  const how = isChunked ? 'found while counting' : 'known in advance'

  t.test(`413 ${how} reaches node:http although it still sends`, async (t) => {
    const request = httpRequest(`${system.url}/bounded`, {
      method: 'POST',
      headers: isChunked ? {} : { 'content-length': TOO_MANY_BYTES },
    })
    // The connection is closed under what is still being sent, after the answer.
    request.on('error', () => {})
    const answered = once(request, 'response') as Promise<[IncomingMessage]>
    request.end(Buffer.alloc(TOO_MANY_BYTES))
    const [response] = await answered
    t.equal(response.statusCode, 413)
    t.match(JSON.parse(await text(response)), { code: 'payload_too_large', callId: String })
  })

  t.test(`413 ${how} reaches fetch although it still sends`, async (t) => {
    const pieces = Array.from({ length: 30 }, () => new Uint8Array(TOO_MANY_BYTES / 30))
    const response = await fetch(`${system.url}/bounded`, {
      method: 'POST',
      body: isChunked ? streamOf(pieces) : new Uint8Array(TOO_MANY_BYTES),
      duplex: 'half',
    } as RequestInit)
    t.equal(response.status, 413)
    t.match(await response.json(), { code: 'payload_too_large' })
  })

  t.test(
    `413 ${how} reaches a client that sends all before it reads, and then closes`,
    async (t) => {
      const client = await RawClient.connect(t, system.port)
      const framing = isChunked ? 'transfer-encoding: chunked' : `content-length: ${TOO_MANY_BYTES}`
      client.socket.pause()
      await client.write(
        `POST /bounded HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${framing}\r\n\r\n`,
      )
      if (isChunked) await client.write(`${TOO_MANY_BYTES.toString(16)}\r\n`)
      for (let piece = 0; piece < 30; piece += 1) {
        await client.write(new Uint8Array(TOO_MANY_BYTES / 30))
      }
      if (isChunked) await client.write('\r\n0\r\n\r\n')
      client.socket.resume()
      const answer = await client.answer()
      t.equal(answer?.status, 413)
      t.ok(answer?.isWhole)
      t.match(JSON.parse(answer!.body.toString()), { code: 'payload_too_large' })
      t.notOk(await client.closed, 'no reset')
    },
  )

  t.test(`413 ${how} is whole for a client that stops sending, and then closes`, async (t) => {
    const client = await RawClient.connect(t, system.port)
    const framing = isChunked ? 'transfer-encoding: chunked' : `content-length: ${TOO_MANY_BYTES}`
    await client.write(
      `POST /bounded HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${framing}\r\n\r\n`,
    )
    if (isChunked) await client.write(`${TOO_MANY_BYTES.toString(16)}\r\n`)
    await client.write(new Uint8Array(2 * MAX_BODY_BYTES))
    const answer = await client.answer()
    t.equal(answer?.status, 413)
    t.ok(answer?.isWhole)
    t.notOk(await client.closed, 'no reset')
  })

  const hasCurl = await run('curl', ['--version']).then(
    () => true,
    () => false,
  )
  t.test(`413 ${how} reaches curl`, { skip: !hasCurl }, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'callgate-upload-'))
    t.teardown(() => rm(directory, { recursive: true }))
    const file = join(directory, 'body')
    await writeFile(file, Buffer.alloc(TOO_MANY_BYTES))
    for (const expect of [[], ['-H', 'Expect:']]) {
      const framing = isChunked ? ['-H', 'Transfer-Encoding: chunked'] : []
      const upload = ['-X', 'POST', '--data-binary', `@${file}`, `${system.url}/bounded`]
      const output = await run('curl', [
        '-sS',
        '-w',
        '\n%{http_code}',
        ...framing,
        ...expect,
        ...upload,
      ])
      const [body, status] = output.split('\n')
      t.equal(status, '413')
      t.match(JSON.parse(body!), { code: 'payload_too_large' })
    }
  })
}

for (const isDeclared of [true, false]) {
  const how = isDeclared ? 'of declared length' : 'in chunks'
  t.test(`a long answer ${how} reaches a client that sends all before it reads`, async (t) => {
    const client = await RawClient.connect(t, system.port)
    client.socket.pause()
    await client.write(
      `POST /early/${isDeclared} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${TOO_MANY_BYTES}\r\n\r\n`,
    )
    for (let piece = 0; piece < 30; piece += 1) {
      await client.write(new Uint8Array(TOO_MANY_BYTES / 30))
    }
    client.socket.resume()
    const answer = await client.answer()
    t.equal(answer?.status, 200)
    t.ok(answer?.isWhole)
    t.equal(answer?.body.length, LONG_ANSWER_BYTES)
    t.notOk(await client.closed, 'no reset')
  })
}

t.test('a body that nobody reads does not block the answer', async (t) => {
  for (const bytes of [10, 70_000, 5_000_000]) {
    const client = await system.connect()
    await client.write(`POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`)
    const sent = client.write(Buffer.alloc(bytes))
    const answer = await client.answer()
    t.equal(answer?.status, 200)
    t.equal(answer?.body.toString(), 'I never read')
    await sent
    await client.write('GET /hello HTTP/1.1\r\nHost: x\r\n\r\n')
    t.equal((await client.answer())?.status, 200, `the connection goes on after ${bytes} bytes`)
  }
})

t.test('an answer may begin before the request has ended', async (t) => {
  const client = await system.connect()
  await client.write('POST /upper HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  await client.write('3\r\nabc\r\n')
  t.equal((await client.head())?.status, 200)
  t.equal((await client.chunk())?.toString(), 'ABC')
  await client.write('2\r\nde\r\n')
  t.equal((await client.chunk())?.toString(), 'DE')
  await client.write('0\r\n\r\n')
  t.equal(await client.chunk(), null)
  await client.write('GET /hello HTTP/1.1\r\nHost: x\r\n\r\n')
  t.equal((await client.answer())?.status, 200, 'the connection goes on')
})

t.test('a large body goes there and back in pieces', async (t) => {
  const body = 'the quick brown fox '.repeat(200_000)
  const response = await fetch(`${system.url}/upper`, { method: 'POST', body })
  t.ok((await response.text()) === body.toUpperCase())
})

t.test('many calls one after another share a connection', async (t) => {
  const client = await system.connect()
  for (let call = 0; call < 200; call++) {
    const body = 'x'.repeat(call)
    await client.write(
      `POST /bounded HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    const answer = await client.answer()
    if (answer?.body.toString() !== String(call)) return t.fail(`call ${call}: ${answer?.body}`)
  }
  t.pass()
})

const SLOWLY_MADE: Record<string, (values: Iterator<number>) => unknown> = {
  values: (values) => values,
  response: (values) =>
    new Response(
      new ReadableStream({
        pull(controller) {
          const { done, value } = values.next()
          if (done) controller.close()
          else controller.enqueue(Buffer.from(String(value)))
        },
      }),
    ),
}
for (const [name, answerOf] of Object.entries(SLOWLY_MADE)) {
  t.test(`${name} that nothing is awaited for leave as they are made`, async (t) => {
    // They came 32 together, after three seconds.
    let made = 0
    let hasCome = false
    function* values() {
      while (made < 31 && !hasCome) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
        yield made++
      }
    }
    const route = `GET /slow/${name}` as const
    await system.serve(
      defineFunction({
        name: `slow-${name}`,
        route,
        auth: 'public',
        run: () => answerOf(values()),
      }),
    )
    const client = await system.connect()
    await client.write(`GET /slow/${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.equal((await client.head())?.status, 200)
    t.match((await client.chunk())?.toString(), /^(data: )?0/)
    t.ok(made < 31, `${made} were made before the first came`)
    hasCome = true
    let chunk: Buffer | null | undefined
    do chunk = await client.chunk()
    while (chunk)
    t.equal(chunk, null, 'whole')
  })
}

t.test('a function that breaks its own content-length breaks its answer', async (t) => {
  for (const [how] of lengths) {
    const client = await system.connect()
    await client.write(`GET /liar/${how} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const answer = await client.answer()
    t.equal(answer?.headers['content-length'], '10')
    t.equal(answer?.isWhole, false, how)
  }
  t.match((await system.state('liar')).counters, { started: 2, succeeded: 0, failed: 2 })
})

t.test('HEAD does not wait for the end of a stream', async (t) => {
  // The answer was given at the first value, and the generator went on for nobody: nothing told it that
  // its client had all that it would ever get.
  const stopped = resolvers()
  await system.serve(
    defineFunction({
      name: 'endless',
      route: 'GET /endless',
      auth: 'public',
      run: async function* (_input, { signal }) {
        try {
          for (;;) {
            yield 1
            await new Promise((resolve) => setTimeout(resolve, 5))
            signal.throwIfAborted()
          }
        } finally {
          stopped.resolve(undefined)
        }
      },
    }),
  )
  const client = await system.connect()
  await client.write('HEAD /endless HTTP/1.1\r\nHost: x\r\n\r\n')
  const answer = await client.answer({ isToHead: true })
  t.equal(answer?.status, 200)
  t.equal(answer?.headers['content-length'], undefined)
  await stopped.promise
  await system.atRest('endless')
})

function resolvers() {
  let resolve: (value: unknown) => void = () => {}
  const promise = new Promise<unknown>((onResolve) => {
    resolve = onResolve
  })
  return { promise, resolve }
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, (error, stdout) => (error === null ? resolve(stdout) : reject(error)))
  })
}
