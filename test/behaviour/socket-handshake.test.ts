// How a WebSocket begins: what is no proper handshake is refused as HTTP, who may not come in is told so as
// HTTP, and a token that comes as a subprotocol is seen by the gateway alone.

import { randomBytes } from 'node:crypto'
import t from 'tap'
import { PublicError } from '../../runner/define-function.js'
import { ScriptedSocket, signalled } from '../support/scripted-socket.js'
import { refusedSocket, SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

const system = await System.start(t)
await system.serveExamples('hello', 'chat')
const open = new ScriptedSocket('open', { route: 'WS /open' })
await system.serve(open.definition)
const scoped = new ScriptedSocket('scoped', { route: 'WS /scoped', auth: { scope: 'talk' } })
await system.serve(scoped.definition)
const both = new ScriptedSocket('both', { route: ['WS /both', 'WS /items/:id'] })
await system.serve(both.definition)
const token = await system.token()

t.afterEach(() => system.atRest())

const PROPER = {
  Host: 'x',
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
}

interface Handshake {
  readonly method?: string
  readonly path?: string
  /** Changed or, with null, left out. */
  readonly fields?: Readonly<Record<string, string | null>>
  readonly rest?: string
}

function handshake({ method = 'GET', path = '/open', fields = {}, rest = '' }: Handshake): string {
  const lines = Object.entries({ ...PROPER, ...fields }).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}\r\n`],
  )
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${rest}`
}

const IMPROPER: Record<string, { request: Handshake; status: number; fields?: object }> = {
  'version 8': {
    request: { fields: { 'Sec-WebSocket-Version': '8' } },
    status: 426,
    fields: { 'sec-websocket-version': '13' },
  },
  'version 99': {
    request: { fields: { 'Sec-WebSocket-Version': '99' } },
    status: 426,
    fields: { 'sec-websocket-version': '13' },
  },
  'no version': {
    request: { fields: { 'Sec-WebSocket-Version': null } },
    status: 426,
    fields: { 'sec-websocket-version': '13' },
  },
  'two versions': {
    request: { fields: { 'Sec-WebSocket-Version': '13\r\nSec-WebSocket-Version: 8' } },
    status: 426,
    fields: { 'sec-websocket-version': '13' },
  },
  'no Connection': { request: { fields: { Connection: null } }, status: 400 },
  'Connection: keep-alive': { request: { fields: { Connection: 'keep-alive' } }, status: 400 },
  'no Upgrade': { request: { fields: { Upgrade: null } }, status: 400 },
  'Upgrade: h2c': { request: { fields: { Upgrade: 'h2c' } }, status: 400 },
  'two Upgrades': {
    request: { fields: { Upgrade: 'websocket\r\nUpgrade: websocket' } },
    status: 400,
  },
  'two keys': {
    request: {
      fields: {
        'Sec-WebSocket-Key': `${PROPER['Sec-WebSocket-Key']}\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      },
    },
    status: 400,
  },
  'a key that is not base64': {
    request: { fields: { 'Sec-WebSocket-Key': '!'.repeat(24) } },
    status: 400,
  },
  // Without a key of the right length a request is an ordinary GET of a path that takes WebSockets only.
  'no key': { request: { fields: { 'Sec-WebSocket-Key': null } }, status: 426 },
  'a short key': { request: { fields: { 'Sec-WebSocket-Key': 'c2hvcnQ=' } }, status: 426 },
  'an empty key': { request: { fields: { 'Sec-WebSocket-Key': '' } }, status: 426 },
  'a body': {
    request: { fields: { 'Content-Length': '5' }, rest: 'hello' },
    status: 400,
  },
  'a chunked body': {
    request: { fields: { 'Transfer-Encoding': 'chunked' }, rest: '5\r\nhello\r\n0\r\n\r\n' },
    status: 400,
  },
  'two content lengths': {
    request: { fields: { 'Content-Length': '0\r\nContent-Length: 0' } },
    status: 400,
  },
  'two Authorizations': {
    request: { fields: { Authorization: 'Bearer a\r\nAuthorization: Bearer b' } },
    status: 400,
  },
  POST: { request: { method: 'POST', fields: { 'Content-Length': '0' } }, status: 426 },
  'a path without a function': { request: { path: '/nowhere' }, status: 404 },
  'a path that takes HTTP only': {
    request: { path: '/hello' },
    status: 405,
    fields: { allow: 'GET' },
  },
}

for (const [name, { request, status, fields = {} }] of Object.entries(IMPROPER)) {
  t.test(`a handshake with ${name} is refused with ${status}`, async (t) => {
    let hasRun = false
    open.does(() => {
      hasRun = true
    })
    const client = await system.connect()
    await client.write(handshake(request))
    const answer = await client.answer()
    t.equal(answer?.status, status)
    t.match(answer?.headers, { 'content-type': 'application/problem+json', ...fields })
    t.match(JSON.parse(answer?.body.toString() ?? ''), { status, detail: /./, callId: /./ })
    t.notOk(hasRun, 'the function never heard of it')
  })
}

t.test('a plain GET of a path that takes WebSockets only says what it takes', async (t) => {
  const response = await fetch(`${system.url}/open`)
  t.equal(response.status, 426)
  t.equal(response.headers.get('upgrade'), 'websocket')
  t.match(await response.json(), { code: 'upgrade_required', detail: /WebSocket/ })
})

t.test('a request for h2c on a path that takes HTTP is served as HTTP/1.1', async (t) => {
  const client = await system.connect()
  await client.write(
    'GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n',
  )
  t.equal((await client.answer())?.status, 200)
})

t.test('a proper handshake is answered as RFC 6455 says, with the call id', async (t) => {
  open.does(() => {})
  const client = await system.connect()
  await client.write(
    handshake({
      fields: {
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        Connection: 'keep-alive, Upgrade',
        Upgrade: 'WebSocket',
      },
    }),
  )
  const head = await client.head()
  t.equal(head?.status, 101)
  t.match(head?.headers, {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
    'x-call-id': /./,
  })
  t.equal(head?.headers['sec-websocket-protocol'], undefined)
  client.leave()
})

t.test('no token is a 401, not a socket that closes', async (t) => {
  const { status, headers, body } = await refusedSocket(t, `${system.url}/chat`)
  t.equal(status, 401)
  t.match(headers['www-authenticate'], /^Bearer /)
  t.match(JSON.parse(body), { code: 'unauthenticated' })
})

t.test('a bad token is a 401', async (t) => {
  for (const bad of ['nonsense', `${token}x`, await system.token({ ttl: '-1h' })]) {
    for (const options of [
      { headers: { authorization: `Bearer ${bad}` } },
      { protocols: ['chat.v1', `bearer.${bad}`] },
    ]) {
      const { status, headers } = await refusedSocket(t, `${system.url}/chat`, options)
      t.equal(status, 401)
      t.match(headers['www-authenticate'], /error="invalid_token"/)
    }
  }
})

t.test('a token without the scope is a 403, with it comes in', async (t) => {
  const { status, headers } = await refusedSocket(t, `${system.url}/scoped`, {
    headers: { authorization: `Bearer ${token}` },
  })
  t.equal(status, 403)
  t.match(headers['www-authenticate'], /insufficient_scope.*talk/)
  const principal = signalled<unknown>()
  scoped.does((_socket, context) => principal.go(context.principal))
  const good = await system.token({ scope: 'listen talk', subject: 'bob' })
  const client = await SocketClient.open(t, `${system.url}/scoped`, {
    headers: { authorization: `Bearer ${good}` },
  })
  t.match(await principal.promise, { subject: 'bob', scopes: ['listen', 'talk'] })
  t.match(await client.closed, { code: 1000 })
})

t.test('a token in a subprotocol never reaches the function', async (t) => {
  const seen = signalled<string>()
  scoped.does((socket, context) => {
    const { protocols } = socket
    const { url, principal } = context
    const headers = Object.fromEntries(context.headers)
    seen.go(JSON.stringify({ protocols, headers, url, principal }))
  })
  const good = await system.token({ scope: 'talk' })
  const client = await SocketClient.open(t, `${system.url}/scoped`, {
    protocols: ['chat.v2', `bearer.${good}`, 'chat.v1'],
  })
  const text = await seen.promise
  t.notMatch(text, good)
  t.notMatch(text, /bearer/i)
  t.match(JSON.parse(text), {
    protocols: ['chat.v2', 'chat.v1'],
    headers: { 'sec-websocket-protocol': 'chat.v2, chat.v1' },
    principal: { subject: 'ann' },
  })
  t.equal(client.ws.protocol, 'chat.v2', 'the first is chosen by default')
  await client.closed
})

t.test('the gateway chooses the token itself where a client offers nothing else', async (t) => {
  scoped.does(async (socket) => {
    for await (const _message of socket);
  })
  const good = `bearer.${await system.token({ scope: 'talk' })}`
  const client = await SocketClient.open(t, `${system.url}/scoped`, { protocols: [good] })
  t.equal(client.ws.protocol, good, 'a browser takes an answer without it for a failure')
  await client.close(1000)
})

t.test('the function chooses the subprotocol', async (t) => {
  open.does((socket) => socket.accept('chat.v1'))
  const client = await SocketClient.open(t, `${system.url}/open`, {
    protocols: ['chat.v2', 'chat.v1'],
  })
  t.equal(client.ws.protocol, 'chat.v1')
  await client.closed
})

t.test('and never one that the client does not offer', async (t) => {
  const outcome = open.does((socket) => socket.accept('chat.v3'))
  const { status } = await refusedSocket(t, `${system.url}/open`, { protocols: ['chat.v2'] })
  t.equal(status, 500)
  t.match(await outcome, { name: 'TypeError', message: /chat\.v3.*chat\.v2/ })
})

t.test('a PublicError before the function accepts is its HTTP status', async (t) => {
  open.does(() => {
    throw new PublicError('not_found', 'There is no such room.')
  })
  const { status, body } = await refusedSocket(t, `${system.url}/open`)
  t.equal(status, 404)
  t.match(JSON.parse(body), { code: 'not_found', detail: 'There is no such room.' })
})

t.test('any other error before the function accepts is a 500 that says nothing', async (t) => {
  open.does(() => {
    throw new Error('the password is 1234')
  })
  const { status, body } = await refusedSocket(t, `${system.url}/open`)
  t.equal(status, 500)
  t.notMatch(body, /1234/)
  t.match(JSON.parse(body), { code: 'function_failed' })
})

t.test('path parameters, query and headers reach the function', async (t) => {
  const seen = signalled<unknown>()
  both.does((_socket, { params, url, method, headers }) =>
    seen.go({ params, url, method, agent: headers.get('user-agent') }),
  )
  const client = await SocketClient.open(t, `${system.url}/items/a%20b?x=1&y=%C3%A4`, {
    headers: { 'user-agent': 'a test' },
  })
  t.same(await seen.promise, {
    params: { id: 'a b' },
    url: '/items/a%20b?x=1&y=%C3%A4',
    method: 'WS',
    agent: 'a test',
  })
  await client.closed
})

t.test('on a public route no token is asked for, and an Authorization is passed on', async (t) => {
  const seen = signalled<string | null>()
  open.does((_socket, { headers }) => seen.go(headers.get('authorization')))
  const client = await SocketClient.open(t, `${system.url}/open`, {
    headers: { authorization: 'Basic YTpi' },
  })
  t.equal(await seen.promise, 'Basic YTpi')
  await client.closed
})

t.test('on a public route a token in a subprotocol is passed on as Authorization', async (t) => {
  // It was taken out of the subprotocols and given to nobody.
  const seen = signalled<Record<string, string | null>>()
  open.does((_socket, { headers }) =>
    seen.go({
      authorization: headers.get('authorization'),
      protocols: headers.get('sec-websocket-protocol'),
    }),
  )
  const protocols = ['chat.v1', 'bearer.t0k3n']
  const client = await SocketClient.open(t, `${system.url}/open`, { protocols }).catch(() => null)
  t.same(await seen.promise, { authorization: 'Bearer t0k3n', protocols: 'chat.v1' })
  await client?.close()
})

t.test(
  'a client that leaves while its token is being verified leaves nothing behind',
  async (t) => {
    for (let round = 0; round < 20; round++) {
      const client = await system.connect()
      const fresh = await system.token()
      await client.write(handshake({ path: '/chat', fields: { Authorization: `Bearer ${fresh}` } }))
      client.leave()
      await client.closed
    }
    await system.atRest('chat')
    t.pass()
  },
)

t.test('a handshake that comes byte by byte is answered', async (t) => {
  open.does((socket) => socket.send('hello'))
  const client = await system.connect()
  for (const byte of Buffer.from(handshake({}))) await client.write(Uint8Array.of(byte))
  t.equal((await client.head())?.status, 101)
  client.leave()
})

t.test('a connection that has just been opened is not cut', async (t) => {
  // uWebSockets.js' `res.cork(() => res.upgrade())`, called outside its own handlers, goes on to read the
  // response's flags where the WebSocket's memory is by then; whenever that happened to say `close` it shut
  // the connection down right behind the 101 (uWebSockets pull request 1929: fixed after 20.57). Without
  // the cork it warns on stderr for each upgrade. Inside the cork of another, still unanswered response it
  // does neither, because the upgraded socket is not the corked one.
  scoped.does(async (socket) => {
    for await (const message of socket) await socket.send(message)
  })
  for (let round = 0; round < 100; round++) {
    const good = await system.token({ scope: 'talk' })
    const client = await SocketClient.open(t, `${system.url}/scoped`, {
      headers: { authorization: `Bearer ${good}` },
    })
    await client.send('still here?')
    if ((await client.next()) !== 'still here?') t.fail(`connection ${round} was cut`)
    client.ws.terminate()
  }
  t.pass()
})

t.test('a handshake that asks to close the connection is refused', async (t) => {
  // The engine keeps the wish, and cut the connection behind its 101.
  let hasRun = false
  open.does(() => {
    hasRun = true
  })
  for (const connection of ['close\r\nConnection: Upgrade', 'close, Upgrade', 'Upgrade, close']) {
    const client = await system.connect()
    await client.write(handshake({ fields: { Connection: connection } }))
    t.equal((await client.head())?.status, 400, connection)
  }
  t.notOk(hasRun)
})
