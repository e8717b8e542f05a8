// WebSockets at the end of a runner or a gateway: every client is told to come back, at once.

import t from 'tap'
import type { CallSocket } from '../../runner/define-function.js'
import { ScriptedSocket } from '../support/scripted-socket.js'
import { refusedSocket, SocketClient } from '../support/socket-client.js'
import { functionFile, System } from '../support/system.js'

const system = await System.start(t)

async function readAll(socket: CallSocket): Promise<void> {
  for await (const _message of socket);
}

t.test('a runner that is killed: 1011; one that is told to stop: 1012', async (t) => {
  const { process: runner } = await system.serveInChild('holder', functionFile('socket-holder'))
  const first = await SocketClient.open(t, `${system.url}/holder`)
  process.kill(Number(await first.next()), 'SIGKILL')
  t.match(await first.closed, { code: 1011, reason: /lost/ })
  const { counters } = await system.state('holder')
  t.match(counters, { inFlight: 0, failed: 1 })
  // The next one waits for the runner that is started in its place.
  const second = await SocketClient.open(t, `${system.url}/holder`)
  process.kill(Number(await second.next()), 'SIGTERM')
  t.match(await second.closed, { code: 1012 })
  await runner.stop()
})

const DRAIN_MS = 60_000
const single = new ScriptedSocket('single', { route: 'WS /single', maxInputs: 1 })

t.test('a gateway that is told to stop: 1012, and no socket after that', async (t) => {
  await system.serve(single.definition)
  const other = await System.start(t, { nats: system.nats, gateway: { drainMs: DRAIN_MS } })
  await other.until('single', ({ runners }) => runners.length > 0)
  let seen: unknown
  const settled = single.does(async (socket) => {
    await readAll(socket)
    seen = { code: socket.closeCode, reason: socket.closeReason }
  })
  const client = await SocketClient.open(t, `${other.url}/single`)
  // One that waits for its slot is told as well, and not let in later.
  const waiting = refusedSocket(t, `${other.url}/single`)
  await other.until('single', ({ queued }) => queued === 1)
  const startedMs = performance.now()
  const closed = other.gateway.close()
  t.match(await client.closed, { code: 1012, reason: /shutting down/ })
  await settled
  t.match(seen, { code: 1012 })
  t.match(await waiting, { status: 503, body: /"draining"/ })
  await closed
  t.ok(performance.now() - startedMs < DRAIN_MS, 'nothing is waited for')
})
