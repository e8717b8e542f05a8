import t from 'tap'
import { readHandshake, withTokenFromProtocol } from '../../../gateway/front/handshake.js'
import type { RequestHead } from '../../../gateway/front/request-head.js'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

function head(changes: Record<string, string | string[] | null> = {}, rest = {}): RequestHead {
  const fields = {
    host: 'x',
    'sec-websocket-version': '13',
    'sec-websocket-key': KEY,
    ...changes,
  }
  const headers: string[] = []
  for (const [name, values] of Object.entries(fields)) {
    for (const value of values === null ? [] : [values].flat()) headers.push(name, value)
  }
  return {
    method: 'GET',
    path: '/chat',
    url: '/chat',
    host: 'x',
    authorization: '',
    hasTwoAuthorizations: false,
    idempotencyKey: null,
    endsConnection: false,
    connection: 'Upgrade',
    upgrade: 'websocket',
    headers,
    framing: null,
    ...rest,
  }
}

function codeOf(head: RequestHead): string | null {
  const read = readHandshake(head)
  return 'error' in read ? read.error.code : null
}

t.test('what RFC 6455 asks for is taken', async (t) => {
  t.same(readHandshake(head()), {
    key: KEY,
    extensions: '',
    protocols: [],
    tokenProtocol: null,
  })
  for (const connection of ['upgrade', 'UPGRADE', 'keep-alive, Upgrade', ' Upgrade ,x']) {
    t.equal(codeOf(head({}, { connection })), null, connection)
  }
  t.equal(codeOf(head({}, { upgrade: ' WebSocket ' })), null)
  t.equal(codeOf(head({ 'sec-websocket-version': ' 13' })), null)
})

t.test('everything else is refused, and the connection closed', async (t) => {
  const faults: [string, RequestHead][] = [
    ['bad_request', head({}, { method: 'POST' })],
    ['bad_request', head({}, { framing: { bytes: 5 } })],
    ['bad_request', head({}, { framing: { bytes: null } })],
    ['bad_request', head({}, { framing: 'refused' })],
    ['bad_request', head({}, { upgrade: '' })],
    ['bad_request', head({}, { upgrade: 'h2c' })],
    ['bad_request', head({}, { upgrade: 'websocket, h2c' })],
    ['bad_request', head({}, { upgrade: 'websocket, websocket' })],
    ['bad_request', head({}, { connection: '' })],
    ['bad_request', head({}, { connection: 'keep-alive' })],
    ['bad_request', head({}, { connection: 'Upgraded' })],
    ['upgrade_required', head({ 'sec-websocket-version': null })],
    ['upgrade_required', head({ 'sec-websocket-version': '8' })],
    ['upgrade_required', head({ 'sec-websocket-version': '13, 8' })],
    ['upgrade_required', head({ 'sec-websocket-version': '013' })],
    ['upgrade_required', head({ 'sec-websocket-version': ['13', '13'] })],
    ['bad_request', head({ 'sec-websocket-key': null })],
    ['bad_request', head({ 'sec-websocket-key': '' })],
    ['bad_request', head({ 'sec-websocket-key': KEY.slice(1) })],
    ['bad_request', head({ 'sec-websocket-key': `${KEY}=` })],
    ['bad_request', head({ 'sec-websocket-key': `${'!'.repeat(22)}==` })],
    ['bad_request', head({ 'sec-websocket-key': [KEY, KEY] })],
  ]
  for (const [code, faulty] of faults) t.equal(codeOf(faulty), code, faulty.headers.join(' '))
})

t.test('a version that we do not speak is told the one that we do', async (t) => {
  const read = readHandshake(head({ 'sec-websocket-version': '99' }))
  t.match(read, { how: { headers: ['sec-websocket-version', '13'] } })
})

t.test('subprotocols are read from all of their fields, in order', async (t) => {
  const read = readHandshake(head({ 'sec-websocket-protocol': ['a, bearer.t0k3n ,', 'b'] }))
  t.match(read, {
    protocols: ['a', 'bearer.t0k3n', 'b'],
    tokenProtocol: 'bearer.t0k3n',
  })
})

t.test('extensions are read from all of their fields', async (t) => {
  const fields = ['x', 'permessage-deflate; client_max_window_bits=10']
  t.match(readHandshake(head({ 'sec-websocket-extensions': fields })), {
    extensions: 'permessage-deflate',
  })
  t.match(readHandshake(head({ 'sec-websocket-extensions': ['x', 'y'] })), { extensions: '' })
})

t.test('a token in a subprotocol becomes Authorization, and is nowhere else', async (t) => {
  const before = head({ 'sec-websocket-protocol': ['a, bearer.t0k3n', 'bearer.other, b'] })
  const read = readHandshake(before)
  if ('error' in read) throw read.error
  const after = withTokenFromProtocol(before, read)
  t.equal(after.authorization, 'Bearer t0k3n')
  const at = after.headers.indexOf('sec-websocket-protocol')
  t.equal(after.headers[at + 1], 'a, b')
  t.equal(after.headers.filter((text) => text === 'sec-websocket-protocol').length, 1)
  t.notMatch(JSON.stringify(after.headers), /bearer/)
  t.match(JSON.stringify(before.headers), /bearer/, 'the head that was given is as it was')
})

t.test('without other subprotocols the field is gone', async (t) => {
  const before = head({ 'sec-websocket-protocol': 'bearer.t0k3n' })
  const read = readHandshake(before)
  if ('error' in read) throw read.error
  t.notOk(withTokenFromProtocol(before, read).headers.includes('sec-websocket-protocol'))
})

t.test('an Authorization that was sent wins', async (t) => {
  const before = head(
    { 'sec-websocket-protocol': 'bearer.t0k3n' },
    { authorization: 'Bearer another' },
  )
  const read = readHandshake(before)
  if ('error' in read) throw read.error
  t.equal(withTokenFromProtocol(before, read).authorization, 'Bearer another')
})

t.test('a head without a token is left as it is', async (t) => {
  const before = head({ 'sec-websocket-protocol': 'a, b' })
  const read = readHandshake(before)
  if ('error' in read) throw read.error
  t.equal(withTokenFromProtocol(before, read), before)
})
