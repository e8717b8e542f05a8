// What peers on NATS forge gets them no further than they may go: a caller that chooses its own id, and a runner
// that writes more into an answer than belongs there.

import { connect as connectSocket } from 'node:net'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { describeFunction } from '../../runner/describe-function.js'
import { encodeFrame } from '../../shared/codec.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import { FRAME } from '../../shared/frame.js'
import { connectNats } from '../../shared/nats.js'
import { Registry } from '../../shared/registry.js'
import { subjectsIn } from '../../shared/subjects.js'
import { type ScriptedRunner, startScriptedRunner } from '../support/scripted-runner.js'
import { System } from '../support/system.js'

const subjects = subjectsIn('callgate')
const system = await System.start(t)
const forger = await connect({ servers: system.nats.url })
t.teardown(() => forger.close())

const bus = await connectNats(readConfig(natsSettings, { natsUrl: system.nats.url }, {}), 'test')
t.teardown(() => bus.close())
const registry = await Registry.open(bus, subjects, { replicas: 1 })

async function deploy(name: string): Promise<void> {
  const route = `GET /${name}`
  await registry.put(
    describeFunction(defineFunction({ auth: 'public', route, run: () => 1 }), name),
  )
}

/** A runner that the gateway gives one call, and the answer that a client on a plain socket gets. */
async function answerTo(
  name: string,
  say: (runner: ScriptedRunner, caller: string, id: number) => Promise<void>,
): Promise<string> {
  await deploy(name)
  const runner = await startScriptedRunner(t, { url: system.nats.url, functionName: name })
  await system.until(name, ({ runners }) => runners.length === 1)
  const socket = connectSocket(system.port, '127.0.0.1')
  socket.setEncoding('latin1').write(`GET /${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const { frame, caller } = await runner.next(FRAME.call)
  let heard = ''
  const answered = new Promise<void>((resolve) => {
    socket.on('data', (text: string) => {
      heard += text
      if (/end|}$/.test(heard)) resolve()
    })
    socket.on('close', resolve)
  })
  await say(runner, caller, frame[1])
  await answered
  socket.destroy()
  return heard
}

t.test('a caller’s id is no way to publish as the runner', async (t) => {
  const runner = await system.serve(
    defineFunction({ name: 'honest', auth: 'public', route: 'GET /honest', run: () => 'ok' }),
  )
  let stolen = 0
  forger.subscribe('stolen', { callback: () => void stolen++ })
  // In latin1, as commands were written: CR, LF and spaces.
  const id = 'aĠ0čĊčĊPUBĠstolenĠ2čĊhičĊPUBĠb'
  forger.publish(subjects.toRunner(runner.runnerId, id), encodeFrame([FRAME.ping]))
  const call = encodeFrame([
    ...[FRAME.call, 1, 'c', null, 1024, 'GET', '/honest', null, [], null, null, false],
  ] as never)
  forger.publish(subjects.toRunner(runner.runnerId, id), call)
  await forger.flush()
  t.equal(await (await fetch(`${system.url}/honest`)).text(), 'ok')
  await forger.flush()
  t.equal(stolen, 0)
})

t.test('a line end in a header begins no other header', async (t) => {
  const heard = await answerTo('header', (runner, caller, id) =>
    runner.send(caller, [
      FRAME.reply,
      id,
      200,
      ['x-a', 'b\r\nset-cookie: c=d'],
      Buffer.from('end'),
    ]),
  )
  t.match(heard, /^HTTP\/1\.1 502 /)
  t.match(heard, /protocol_error/)
  t.notMatch(heard, /set-cookie/)
})

t.test('what is beyond the length that was said is no second answer', async (t) => {
  const heard = await answerTo('length', (runner, caller, id) =>
    runner.send(
      caller,
      [FRAME.head, id, 200, ['content-length', '5']],
      [FRAME.body, id, Buffer.from('helloHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend')],
      [FRAME.end, id],
    ),
  )
  t.notMatch(heard, /helloHTTP/)
  t.equal(heard.match(/HTTP\/1\.1/g)?.length ?? 0, 1)
})

t.test('the bytes of a header’s value are the function’s', async (t) => {
  const heard = await answerTo('bytes', (runner, caller, id) =>
    runner.send(caller, [
      FRAME.reply,
      id,
      200,
      ['x-utf8', 'caf\xc3\xa9', 'x-latin1', '\xe9', 'x-call-id', 'mine'],
      Buffer.from('end'),
    ]),
  )
  t.match(heard, /\r\nx-utf8: caf\xc3\xa9\r\n/)
  t.match(heard, /\r\nx-latin1: \xe9\r\n/)
  t.equal(heard.match(/x-call-id/g)?.length, 1, 'but for what is the gateway’s own')
})
