// Several gateway processes on one port: one of them leaves, and no client notices.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { type Command, runCommand, startCommand } from '../cli/command.js'
import { folderWith } from '../support/folder.js'
import { freePort } from '../support/free-port.js'
import { RawClient } from '../support/raw-client.js'
import { signalled } from '../support/scripted-socket.js'
import { System } from '../support/system.js'

const KEPT_CLIENTS = 6
const NEW_CLIENTS = 2
const STREAMS = 8
const PAUSE_MS = 5

const system = await System.start(t)
const ended = signalled()
await system.serve(
  defineFunction({
    name: 'quick',
    route: 'GET /quick',
    auth: 'public',
    maxInputs: 100,
    run: () => 'ok',
  }) as never,
)
await system.serve(
  defineFunction({
    name: 'ticks',
    route: 'GET /ticks',
    auth: 'public',
    maxInputs: 100,
    run: async function* () {
      yield 'first'
      await ended.promise
      yield 'last'
    },
  }) as never,
)

const cwd = folderWith(t, {})
const env = { CALLGATE_NATS_URL: system.nats.url, CALLGATE_ADMIN_PORT: '0' }

async function startGateway(port: number, ...flags: string[]): Promise<Command> {
  const args = ['gateway', '--host', '127.0.0.1', '--port', String(port), ...flags]
  const gateway = startCommand(t, args, { cwd, env })
  await gateway.printed(/gateway listening/)
  return gateway
}

t.test('a port is shared only by those who all say so', async (t) => {
  const port = await freePort()
  const args = ['gateway', '--host', '127.0.0.1', '--port', String(port)]
  const taken = { status: 1, stderr: new RegExp(`^callgate: Port ${port} .*taken.*\\n$`) }

  const alone = await startGateway(port)
  t.match(await runCommand([...args, '--share-port'], { cwd, env }), taken)
  alone.kill('SIGTERM')
  t.equal(await alone.ended, 0)

  const first = await startGateway(port, '--share-port')
  t.match(await runCommand(args, { cwd, env }), taken)
  const second = await startCommand(t, args, { cwd, env: { ...env, CALLGATE_SHARE_PORT: 'true' } })
  await second.printed(/gateway listening/)
  // Each connection is one of theirs, by chance.
  while (![first, second].every(({ stdout }) => stdout.includes('"path":"/quick"'))) {
    t.equal((await get(port, '/quick'))?.status, 200)
  }
})

t.test('all gateways are replaced one by one: no call fails and no stream is cut', async (t) => {
  const port = await freePort()
  const old = await Promise.all([1, 2].map(() => startGateway(port, '--share-port')))
  const streams: RawClient[] = []
  for (let count = 0; count < STREAMS; count++) {
    const client = await RawClient.connect(t, port)
    await client.write('GET /ticks HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n')
    t.equal((await client.head())?.status, 200)
    t.match(String(await client.chunk()), 'first')
    streams.push(client)
  }

  const load = new Load(port)
  const working = [
    ...Array.from({ length: KEPT_CLIENTS }, () => load.keepCalling()),
    ...Array.from({ length: NEW_CLIENTS }, () => load.keepConnecting()),
  ]
  for (const gateway of old) {
    await startGateway(port, '--share-port')
    gateway.kill('SIGTERM')
    await gateway.printed(/gateway draining/)
    await load.calls(200)
  }
  ended.go()
  for (const client of streams) {
    t.match(String(await client.chunk()), 'last')
    t.equal(await client.chunk(), null, 'the stream is whole')
  }
  t.same(await Promise.all(old.map((gateway) => gateway.ended)), [0, 0])
  load.stop()
  await Promise.all(working)
  t.same(load.failures, [])
  t.comment(`${load.count} calls`)
})

async function get(port: number, path: string) {
  const client = await RawClient.connect(t, port)
  await client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const answer = await client.answer()
  client.socket.destroy()
  return answer
}

/** Clients that call again a moment after each answer: gateways that start need the machine, too. */
class Load {
  readonly failures: string[] = []
  count = 0
  readonly #port: number
  #isOn = true
  #onCall: () => void = () => {}

  constructor(port: number) {
    this.#port = port
  }

  /** On one connection, until an answer says that it ends there. */
  async keepCalling(): Promise<void> {
    while (this.#isOn) {
      try {
        const client = await RawClient.connect(t, this.#port)
        for (let isOpen = true; isOpen && this.#isOn; ) {
          await client.write('GET /quick HTTP/1.1\r\nHost: x\r\n\r\n')
          const answer = await client.answer()
          this.#onAnswer('kept', answer?.status)
          await delay(PAUSE_MS)
          isOpen = answer !== null && answer.headers.connection !== 'close'
        }
        client.socket.end()
      } catch (error) {
        this.#onAnswer('kept', error)
      }
    }
  }

  /** On a connection each. */
  async keepConnecting(): Promise<void> {
    while (this.#isOn) {
      await get(this.#port, '/quick').then(
        (answer) => this.#onAnswer('new', answer?.status),
        (error) => this.#onAnswer('new', error),
      )
      await delay(PAUSE_MS)
    }
  }

  /** Resolves when there were so many more. */
  async calls(more: number): Promise<void> {
    const until = this.count + more
    while (this.count < until) {
      await new Promise<void>((resolve) => {
        this.#onCall = resolve
      })
    }
  }

  stop(): void {
    this.#isOn = false
  }

  #onAnswer(kind: string, outcome: unknown): void {
    if (outcome === 200) this.count++
    else this.failures.push(`${kind}: ${outcome}`)
    this.#onCall()
  }
}
