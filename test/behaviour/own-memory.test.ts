// Bytes that a function is given are in memory of their own: one that transfers them to a worker empties
// nobody else's, and there is nothing else to be read there. The calls of a turn share a message.

import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { encodeValue } from '../../shared/codec.js'
import { ScriptedSocket } from '../support/scripted-socket.js'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

const AT_ONCE = 8
const BYTES = 1_000

interface Seen {
  readonly bytes: number
  /** Of the array in which they are. */
  readonly arrayBytes: number
}

/** Each waits until all are here; then the first ones give their memory away, and the others look at theirs. */
class Together {
  #waiting: (() => void)[] = []
  #taken = 0

  async look(bytes: Uint8Array): Promise<Seen> {
    const arrayBytes = bytes.buffer.byteLength
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
      if (this.#waiting.length === AT_ONCE) for (const wake of this.#waiting.splice(0)) wake()
    })
    const isGiver = this.#taken++ % AT_ONCE < AT_ONCE / 2
    const seen = isGiver ? structuredClone(bytes, { transfer: [bytes.buffer] }) : bytes
    return { bytes: seen.length, arrayBytes }
  }
}

const system = await System.start(t)
const together = new Together()
const options = { auth: 'public', maxInputs: AT_ONCE } as const
await system.serve(
  defineFunction({
    ...options,
    name: 'raw',
    run: (input) => together.look(input as Uint8Array),
  }),
)
await system.serve(
  defineFunction({
    ...options,
    name: 'value',
    run: (input) => together.look((input as { audio: Uint8Array }).audio),
  }),
)
await system.serve(
  defineFunction({
    ...options,
    name: 'stream',
    route: 'POST /stream',
    fetch: async (request) => {
      const { value } = await request.body!.getReader().read()
      return Response.json(await together.look(value!))
    },
  }),
)
const socket = new ScriptedSocket('socket', { route: 'WS /socket', maxInputs: AT_ONCE })
await system.serve(socket.definition)

const audio = Buffer.alloc(BYTES, 'audio')
const bodies: Record<string, readonly [type: string, body: Uint8Array]> = {
  raw: ['application/octet-stream', audio],
  value: ['application/msgpack', encodeValue({ audio, other: audio })],
  stream: ['application/octet-stream', audio],
}

for (const [name, [type, body]] of Object.entries(bodies)) {
  t.test(name, async (t) => {
    const calls = Array.from({ length: AT_ONCE }, async () => {
      const headers = { 'content-type': type }
      const response = await system.fetch(`/${name}`, {
        method: 'POST',
        headers,
        body: new Uint8Array(body),
      })
      return (await response.json()) as Seen
    })
    for (const seen of await Promise.all(calls)) {
      t.equal(seen.bytes, BYTES)
      t.ok(seen.arrayBytes < 2 * BYTES, `${seen.arrayBytes} bytes around them`)
    }
  })
}

t.test('messages of WebSockets', async (t) => {
  socket.does(async (each) => {
    for await (const message of each) {
      await each.send(JSON.stringify(await together.look(message as Uint8Array)))
    }
  })
  const clients = Array.from({ length: AT_ONCE }, () =>
    SocketClient.open(t, `${system.url}/socket`),
  )
  const open = await Promise.all(clients)
  await Promise.all(open.map((client) => client.send(audio)))
  for (const client of open) {
    const seen = JSON.parse((await client.next()) as string) as Seen
    t.equal(seen.bytes, BYTES)
    t.ok(seen.arrayBytes < 2 * BYTES, `${seen.arrayBytes} bytes around them`)
  }
})
