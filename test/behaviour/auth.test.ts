// Who may call: RFC 6750 answers for who may not, and a token that goes no further than the gateway.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { functionFile, System } from '../support/system.js'

const system = await System.start(t)
const seen = { headers: {} as Record<string, string>, principal: undefined as unknown }
const run = (_input: unknown, context: { headers: Headers; principal: unknown }) => {
  seen.headers = Object.fromEntries(context.headers)
  seen.principal = context.principal
  return 'ok'
}
await system.serve(defineFunction({ name: 'private', route: 'ANY /private', run }))
await system.serve(defineFunction({ name: 'public', route: 'ANY /public', auth: 'public', run }))
await system.serve(
  defineFunction({ name: 'scoped', route: 'ANY /scoped', auth: { scope: 'read write' }, run }),
)

function get(path: string, authorization?: string): Promise<Response> {
  return fetch(system.url + path, {
    headers: authorization === undefined ? {} : { authorization },
  })
}

t.test('no token: 401 with a bare challenge', async (t) => {
  const response = await get('/private')
  t.equal(response.status, 401)
  t.equal(response.headers.get('www-authenticate'), 'Bearer realm="callgate"')
  t.match(await response.json(), { code: 'unauthenticated', callId: String })
})

t.test('a token that is wrong: 401 that says invalid_token', async (t) => {
  const good = await system.token()
  const expired = await system.token({ ttl: '-1h' })
  const changed = good.replace(
    /\.[^.]+\./,
    `.${btoa('{"sub":"eve","exp":9999999999}').replace(/=+$/, '')}.`,
  )
  for (const token of [
    'no-token-at-all',
    'a.bbbbbbbbbbbbbbbb.c',
    expired,
    changed,
    `${good.slice(0, -4)}AAAA`,
  ]) {
    const response = await get('/private', `Bearer ${token}`)
    t.equal(response.status, 401)
    const challenge = response.headers.get('www-authenticate') ?? ''
    t.match(
      challenge,
      /^Bearer realm="callgate", error="invalid_token", error_description="[^"\\]+"$/,
    )
    t.notMatch(JSON.stringify(await response.json()), token.slice(-20))
  }
  const basic = await get('/private', 'Basic YTpi')
  t.equal(basic.status, 401)
  t.match(basic.headers.get('www-authenticate'), /^Bearer /)
})

t.test('a token without the scope: 403 that names every scope', async (t) => {
  for (const scope of [undefined, 'read', 'write other', 'READ WRITE']) {
    const token = await system.token(scope === undefined ? {} : { scope })
    const response = await get('/scoped', `Bearer ${token}`)
    t.equal(response.status, 403)
    t.equal(
      response.headers.get('www-authenticate'),
      'Bearer realm="callgate", error="insufficient_scope", scope="read write"',
    )
    t.match(await response.json(), { code: 'forbidden' })
  }
  const token = await system.token({ scope: 'write more read' })
  t.equal((await get('/scoped', `Bearer ${token}`)).status, 200)
  t.match(seen.principal, { subject: 'ann', scopes: ['write', 'more', 'read'] })
})

t.test('the function is told the claims and never the token', async (t) => {
  const token = await system.token({ scope: 'a', subject: 'zoe' })
  for (const _ of ['verified', 'remembered']) {
    const response = await fetch(`${system.url}/private`, {
      headers: { AUTHORIZATION: `Bearer ${token}`, 'x-other': '1' },
    })
    t.equal(response.status, 200)
    t.match(seen.principal, { subject: 'zoe', scopes: ['a'], claims: { sub: 'zoe', scope: 'a' } })
    t.equal(seen.headers.authorization, undefined)
    t.equal(seen.headers['x-other'], '1')
    t.notMatch(JSON.stringify(seen), token)
  }
})

t.test('a public route lets everybody in, and passes `authorization` on unread', async (t) => {
  t.equal((await get('/public')).status, 200)
  t.equal(seen.principal, null)
  t.equal(seen.headers.authorization, undefined)
  t.equal((await get('/public', 'Bearer a.b.c')).status, 200)
  t.equal(seen.headers.authorization, 'Bearer a.b.c')
  t.equal(seen.principal, null, 'what nobody has verified is no principal')
})

t.test('two Authorizations are refused, whichever of them is good', async (t) => {
  // The last one counted; a proxy that verifies may have read the first.
  const good = `Bearer ${await system.token()}`
  seen.headers = {}
  for (const path of ['/private', '/public']) {
    for (const fields of [
      [good, 'Bearer a.b.c'],
      ['Bearer a.b.c', good],
      [good, good],
      ['', good],
    ]) {
      const client = await system.connect()
      const lines = fields.map((value) => `Authorization: ${value}\r\n`).join('')
      await client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`)
      const answer = await client.answer()
      t.equal(answer?.status, 400)
      t.match(JSON.parse(String(answer?.body)), { code: 'bad_request' })
    }
  }
  t.same(seen.headers, {}, 'no function has heard of it')
})

t.test('keys that cannot be read: 503 when to come back, and one line of the log', async (t) => {
  // Each call wrote a line with a stack.
  const keyless = await System.start(t, {
    nats: system.nats,
    // A port on which nobody listens.
    gateway: { jwksFile: undefined, jwksUrl: 'http://127.0.0.1:1/' },
  })
  const authorization = `Bearer ${await system.token()}`
  for (let count = 0; count < 5; count++) {
    const response = await fetch(`${keyless.url}/private`, { headers: { authorization } })
    t.equal(response.status, 503)
    t.equal(response.headers.get('retry-after'), '5')
    t.match(await response.json(), { code: 'unavailable' })
  }
  const faults = keyless.logLines.filter((line) => /keys that verify/.test(line))
  t.equal(faults.length, 1, faults.join())
  t.equal((await fetch(`${keyless.url}/public`)).status, 200)
})

t.test('a token is in no line of a log', async (t) => {
  const scoped = await system.token({ scope: 'read write' })
  const other = await system.token()
  await get('/private', `Bearer ${scoped}`)
  await get('/scoped', `Bearer ${other}`)
  await get(`/public?access_token=${scoped}`)
  await get('/nowhere', `Bearer ${scoped}`)
  await get('/private', `Bearer ${scoped.slice(0, -6)}`)
  const log = system.logLines.join('')
  t.match(log, '"path":"/private"')
  for (const token of [scoped, other]) {
    for (const part of token.split('.').slice(1)) t.notMatch(log, part)
  }
})

t.test('nor in a log of the runner, whatever the function does', async (t) => {
  const main = fileURLToPath(new URL('../../runner/main.js', import.meta.url))
  const child = spawn(process.execPath, [main, functionFile('thrower')], {
    env: { ...process.env, CALLGATE_NATS_URL: system.nats.url, CALLGATE_LOG_LEVEL: 'trace' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let log = ''
  child.stdout.on('data', (bytes) => {
    log += bytes
  })
  await system.until('thrower', ({ runners }) => runners.length > 0)
  const token = await system.token()
  const response = await system.fetch('/thrower', { headers: { authorization: `Bearer ${token}` } })
  t.equal(response.status, 500)
  child.kill('SIGTERM')
  await once(child, 'close')
  t.match(log, 'function failed')
  t.match(log, response.headers.get('x-call-id')!)
  for (const part of token.split('.').slice(1)) t.notMatch(log, part)
})

t.test('none of this kept a slot', async (t) => {
  await system.atRest('private', 'public', 'scoped')
  t.equal(
    (await system.state('private')).counters.started,
    (await system.state('private')).counters.succeeded,
  )
})
