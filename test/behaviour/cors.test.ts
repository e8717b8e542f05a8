// Pages of other origins: which of them may call, and read the answers. What a browser makes of it is in
// `browser.test.ts`.

import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { System } from '../support/system.js'

const APP = 'https://app.example.com'
const PREVIEW = 'https://pr-12.preview.example.org'
const FOREIGN = 'https://app.example.com.evil.example'

const listed = await System.start(t, {
  gateway: { corsOrigins: [APP, 'https://*.preview.example.org'] },
})
const forAll = await System.start(t, { gateway: { corsOrigins: ['*'] } })
const unset = await System.start(t)

let answered = 0
for (const system of [listed, forAll, unset]) {
  await system.serve(
    defineFunction({
      name: 'page',
      route: 'ANY /page',
      auth: 'public',
      maxInputs: 10,
      maxBodyBytes: 10,
      fetch: () => {
        answered++
        return new Response('own', {
          headers: {
            'access-control-allow-origin': 'https://own.example',
            'access-control-allow-credentials': 'true',
            vary: 'Accept',
            'x-own': 'yes',
          },
        })
      },
    }),
  )
  await system.serve(defineFunction({ name: 'private', route: 'POST /private', run: () => 'ok' }))
  await system.serve(
    defineFunction({
      name: 'stream',
      route: 'GET /stream',
      auth: 'public',
      async *run() {
        yield 'one'
        yield 'two'
      },
    }),
  )
}

interface Answer {
  readonly status: number
  /** Repeated ones are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

async function ask(
  system: System,
  path: string,
  origin: string | null,
  { method, body, headers }: { method?: string; body?: string; headers?: object } = {},
): Promise<Answer> {
  const from = origin === null ? {} : { origin }
  const response = await fetch(system.url + path, {
    method: method ?? 'GET',
    body: body ?? null,
    headers: { ...from, ...headers },
  })
  const text = await response.text()
  return { status: response.status, headers: Object.fromEntries(response.headers), text }
}

function preflight(system: System, path: string, origin: string): Promise<Answer> {
  return ask(system, path, origin, {
    method: 'OPTIONS',
    headers: {
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type',
    },
  })
}

function corsFields({ headers }: Answer): Record<string, string> {
  const fields = Object.entries(headers).filter(([name]) => name.startsWith('access-control-'))
  return Object.fromEntries(fields)
}

t.test('a page of a listed origin is let in before it calls, whatever it asks for', async (t) => {
  answered = 0
  for (const origin of [APP, PREVIEW]) {
    for (const path of ['/page', '/private', '/nowhere']) {
      const answer = await preflight(listed, path, origin)
      t.equal(answer.status, 204)
      t.equal(answer.text, '')
      t.same(corsFields(answer), {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': '*',
        'access-control-allow-headers': 'authorization, *',
        'access-control-max-age': '7200',
      })
      t.equal(answer.headers.vary, 'Origin')
    }
  }
  t.equal(answered, 0, 'no function was asked')
})

t.test('a question is a line in the log', async (t) => {
  const { headers } = await preflight(listed, '/private', APP)
  const line = listed.logLines.find((line) => line.includes(headers['x-call-id']!))
  t.match(JSON.parse(line ?? '{}'), { method: 'OPTIONS', path: '/private', status: 204 })
})

t.test('a page of another origin is told that it may not', async (t) => {
  for (const origin of [
    FOREIGN,
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://preview.example.org',
    'https://.preview.example.org',
    'https://a/.preview.example.org',
    'null',
  ]) {
    const answer = await preflight(listed, '/page', origin)
    t.equal(answer.status, 403, origin)
    t.match(JSON.parse(answer.text), {
      code: 'forbidden',
      detail: `Pages of ${origin} may not call this gateway.`,
    })
    t.same(corsFields(answer), {})
    t.equal(answer.headers.vary, 'Origin')
  }
})

t.test('every answer says who may read it, errors included', async (t) => {
  const cases: [status: number, path: string, init?: { method?: string; body?: string }][] = [
    [200, '/page'],
    [200, '/page', { method: 'HEAD' }],
    [200, '/stream'],
    [413, '/page', { method: 'POST', body: 'x'.repeat(11) }],
    [401, '/private', { method: 'POST', body: '{}' }],
    [405, '/private'],
    [404, '/nowhere'],
  ]
  for (const [status, path, init] of cases) {
    const answer = await ask(listed, path, APP, init)
    t.equal(answer.status, status)
    t.same(corsFields(answer), {
      'access-control-allow-origin': APP,
      'access-control-expose-headers': '*',
    })
    t.match(answer.headers.vary, /(^|, )Origin$/)
    for (const origin of [FOREIGN, null]) {
      const other = await ask(listed, path, origin, init)
      t.equal(other.status, status, 'nobody is kept out')
      t.same(corsFields(other), {})
      t.match(other.headers.vary, /(^|, )Origin$/, 'a cache must keep them apart')
    }
  }
})

t.test('what a function says of it is dropped, its other fields are not', async (t) => {
  const { headers, text } = await ask(listed, '/page', APP)
  t.equal(text, 'own')
  t.match(headers, {
    'access-control-allow-origin': APP,
    'access-control-allow-credentials': undefined,
    vary: 'Accept, Origin',
    'x-own': 'yes',
  })
})

t.test('OPTIONS that asks for no method is a call', async (t) => {
  t.equal((await ask(listed, '/page', APP, { method: 'OPTIONS' })).text, 'own')
  t.equal((await ask(listed, '/private', APP, { method: 'OPTIONS' })).status, 405)
  const fromNowhere = { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' } }
  t.equal((await ask(listed, '/page', null, fromNowhere)).text, 'own')
})

t.test('a request of two origins is of neither', async (t) => {
  const client = await listed.connect()
  await client.write(
    `GET /page HTTP/1.1\r\nHost: x\r\nOrigin: ${APP}\r\nOrigin: ${FOREIGN}\r\n\r\n`,
  )
  t.match(await client.answer(), {
    status: 200,
    headers: { 'access-control-allow-origin': undefined },
  })
})

t.test('a question with a body leaves its connection good for the next request', async (t) => {
  const client = await listed.connect()
  await client.write(
    `OPTIONS /page HTTP/1.1\r\nHost: x\r\nOrigin: ${APP}\r\nAccess-Control-Request-Method: POST\r\n` +
      'Content-Length: 5\r\n\r\nhello' +
      'GET /page HTTP/1.1\r\nHost: x\r\n\r\n',
  )
  t.match(await client.answer(), { status: 204 })
  t.match(await client.answer(), { status: 200, body: Buffer.from('own') })
})

t.test('* is every page', async (t) => {
  const question = await preflight(forAll, '/private', FOREIGN)
  t.equal(question.status, 204)
  t.match(corsFields(question), {
    'access-control-allow-origin': '*',
    'access-control-allow-headers': 'authorization, *',
  })
  t.equal(question.headers.vary, undefined, 'one answer for all')
  const { headers } = await ask(forAll, '/page', FOREIGN)
  t.match(headers, { 'access-control-allow-origin': '*', vary: 'Accept' })
})

t.test('without the setting it is left to the functions', async (t) => {
  t.equal((await preflight(unset, '/private', APP)).status, 405)
  const question = await preflight(unset, '/page', APP)
  t.equal(question.text, 'own')
  t.match(await ask(unset, '/page', APP), {
    headers: {
      'access-control-allow-origin': 'https://own.example',
      'access-control-allow-credentials': 'true',
      vary: 'Accept',
    },
  })
})
