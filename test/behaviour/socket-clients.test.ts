// A conversation with clients that others have written: each connects with its token as a subprotocol, talks,
// and closes, and nothing of it takes longer than it should.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

/** Both wait for a server that does not end the connection itself: one ten seconds, the other says so. */
const SOON_SECONDS = 8

const run = promisify(execFile)
const PYTHON = {
  websockets: `
import asyncio, json, sys, time, websockets

async def main(url, token):
    async with websockets.connect(url, subprotocols=["chat.v1", "bearer." + token], max_size=None) as ws:
        seen = {"protocol": ws.subprotocol}
        for message in ["hello", b"hello", "\\u00e4" * 500000]:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(["in ", "three ", "fragments"])
        assert await ws.recv() == "in three fragments"
        await asyncio.wait_for(await ws.ping(), 5)
        begun = time.monotonic()
        await ws.close(4000, "bye")
        seen["isClean"] = time.monotonic() - begun < ${SOON_SECONDS}
        seen["code"] = ws.close_code
    print(json.dumps(seen))

asyncio.run(main(*sys.argv[1:]))
`,
  autobahn: `
import asyncio, json, sys
from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

done = None
seen = {}

class Client(WebSocketClientProtocol):
    def onOpen(self):
        seen["protocol"] = self.websocket_protocol_in_use
        self.sendMessage("\\u00e4".encode() * 500000, isBinary=False, fragmentSize=10000)

    def onMessage(self, payload, isBinary):
        assert not isBinary and payload == "\\u00e4".encode() * 500000
        self.sendClose(4000, "bye")

    def onClose(self, wasClean, code, reason):
        seen["isClean"] = wasClean
        seen["code"] = code
        done.set_result(None)

async def main(url, token):
    global done
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    factory = WebSocketClientFactory(url, protocols=["chat.v1", "bearer." + token])
    factory.protocol = Client
    await loop.create_connection(factory, "127.0.0.1", factory.port)
    await done
    print(json.dumps(seen))

asyncio.run(main(*sys.argv[1:]))
`,
}

const installed = new Set<string>()
for (const name of Object.keys(PYTHON)) {
  await run('python3', ['-c', `import ${name}`]).then(
    () => installed.add(name),
    () => {},
  )
}

const system = await System.start(t)
await system.serveExamples('chat')
const token = await system.token()
const url = `ws://127.0.0.1:${system.port}/chat`

t.afterEach(() => system.atRest())

t.test('ws', async (t) => {
  const client = await SocketClient.open(t, url, { protocols: ['chat.v1', `bearer.${token}`] })
  t.equal(client.ws.protocol, 'chat.v1')
  for (const message of ['hello', Buffer.from('hello'), 'ä'.repeat(500_000)]) {
    await client.send(message)
    t.same(await client.next(), message)
  }
  t.match(await client.close(4000, 'bye'), { code: 4000 })
})

t.test('the WebSocket of Node, where it has one', async (t) => {
  const { WebSocket } = globalThis as { WebSocket?: typeof globalThis.WebSocket }
  if (WebSocket === undefined) return t.pass('this Node has none')
  const socket = new WebSocket(url, ['chat.v1', `bearer.${token}`])
  const outcome = await new Promise((resolve, reject) => {
    socket.onopen = () => socket.send('hello')
    socket.onmessage = ({ data }) => {
      t.equal(data, 'hello')
      socket.close(4000, 'bye')
    }
    socket.onerror = reject
    socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean })
  })
  t.same(outcome, { code: 4000, wasClean: true })
})

for (const [name, script] of Object.entries(PYTHON)) {
  const skip = !installed.has(name) && `Python's ${name} is not installed`
  t.test(`${name} of Python`, { skip }, async (t) => {
    const { stdout } = await run('python3', ['-c', script, url, token], { timeout: 120_000 })
    t.same(JSON.parse(stdout), { protocol: 'chat.v1', isClean: true, code: 4000 })
  })
}
