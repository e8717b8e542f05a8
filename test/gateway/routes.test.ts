import { test } from 'tap'
import { RouteTable } from '../../gateway/routes.js'
import { parseRoute } from '../../shared/route-pattern.js'

// A route's target is its own text, so that a case reads "this request leads to that route".
function tableOf(routes: readonly string[]): RouteTable<string> {
  return RouteTable.build(routes.map((text) => ({ ...parseRoute(text), target: text })))
}

function found(target: string, params: Record<string, string> = {}) {
  return { kind: 'found', target, params }
}

function wrongMethod(allow: string, upgrade = false) {
  return { kind: 'wrong_method', allow: allow === '' ? [] : allow.split(' '), upgrade }
}

const NONE = { kind: 'none' }
const BAD_PATH = { kind: 'bad_path' }
const EVERY_METHOD = 'DELETE GET HEAD OPTIONS PATCH POST PUT'

interface Case {
  promise: string
  routes: string[]
  /** `METHOD [host]/path`, as a request has it. */
  requests: Record<string, object>
}

const CASES: Case[] = [
  {
    promise: 'an empty table has nothing',
    routes: [],
    requests: { 'GET /': NONE },
  },
  {
    promise: 'what a URL parser would read as another path is refused',
    routes: ['GET /pub/*', 'GET /item/:id'],
    requests: {
      'GET /pub/../admin': BAD_PATH,
      'GET /pub/..': BAD_PATH,
      'GET /pub/./a': BAD_PATH,
      'GET /pub/%2e%2E/admin': BAD_PATH,
      'GET /pub/.%2e/admin': BAD_PATH,
      'GET /pub/a\\..\\b': BAD_PATH,
      'GET /pub/a#b': BAD_PATH,
      'GET /item/%2e%2e': BAD_PATH,
      'GET /pub/...': found('GET /pub/*', { '*': '...' }),
      'GET /pub/.well-known/a': found('GET /pub/*', { '*': '.well-known/a' }),
      'GET /pub/a..b/.c': found('GET /pub/*', { '*': 'a..b/.c' }),
      'GET /item/v1.2': found('GET /item/:id', { id: 'v1.2' }),
    },
  },
  {
    promise: 'static paths are compared as sent',
    routes: ['GET /', 'GET /a/b', 'GET /%41'],
    requests: {
      'GET /': found('GET /'),
      'GET /a/b': found('GET /a/b'),
      'GET /a/b/': NONE,
      'GET /a': NONE,
      'GET /A/b': NONE,
      'GET /a//b': NONE,
      'GET //': NONE,
      'GET /x/../a/b': BAD_PATH,
      'GET /a/./b': BAD_PATH,
      'GET /%61/b': NONE,
      'GET /%41': found('GET /%41'),
      'GET /A': NONE,
    },
  },
  {
    promise: 'a parameter takes one segment that is not empty',
    routes: ['GET /a/:id/b', 'GET /:one'],
    requests: {
      'GET /a/7/b': found('GET /a/:id/b', { id: '7' }),
      'GET /a//b': NONE,
      'GET /a/7/8/b': NONE,
      'GET /x': found('GET /:one', { one: 'x' }),
      'GET /x/': NONE,
      'GET /constructor': found('GET /:one', { one: 'constructor' }),
    },
  },
  {
    promise: 'a wildcard takes all the rest, and nothing too',
    routes: ['/app/*', '/u/:user/*'],
    requests: {
      'GET /app': found('/app/*', { '*': '' }),
      'GET /app/': found('/app/*', { '*': '' }),
      'GET /app/a/b/': found('/app/*', { '*': 'a/b/' }),
      'GET /app//a': found('/app/*', { '*': '/a' }),
      'GET /app/../x': BAD_PATH,
      'GET /apple': NONE,
      'GET /u/ann': found('/u/:user/*', { user: 'ann', '*': '' }),
      'GET /u/ann/x/y': found('/u/:user/*', { user: 'ann', '*': 'x/y' }),
      'GET /u/': NONE,
    },
  },
  {
    promise: 'a wildcard at the root takes everything',
    routes: ['/*'],
    requests: {
      'GET /': found('/*', { '*': '' }),
      'GET /a/b': found('/*', { '*': 'a/b' }),
    },
  },
  {
    promise: 'static text wins over a parameter, and that over a wildcard, with backtracking',
    routes: ['GET /a/:x/c', 'GET /a/b/d', 'GET /a/*', 'GET /:x/b/e', 'GET /a/b'],
    requests: {
      'GET /a/b/c': found('GET /a/:x/c', { x: 'b' }),
      'GET /a/b/d': found('GET /a/b/d'),
      'GET /a/z/d': found('GET /a/*', { '*': 'z/d' }),
      'GET /a/b/e': found('GET /a/*', { '*': 'b/e' }),
      'GET /z/b/e': found('GET /:x/b/e', { x: 'z' }),
      'GET /a/b': found('GET /a/b'),
      'GET /a/b/c/d': found('GET /a/*', { '*': 'b/c/d' }),
    },
  },
  {
    promise: 'parameters keep the names of their own route',
    routes: ['GET /:first/a', 'POST /:second/a', 'GET /:third/b'],
    requests: {
      'GET /1/a': found('GET /:first/a', { first: '1' }),
      'POST /2/a': found('POST /:second/a', { second: '2' }),
      'GET /3/b': found('GET /:third/b', { third: '3' }),
    },
  },
  {
    promise: 'ANY takes every method but loses to an exact one',
    routes: ['ANY /x', 'GET /x', 'ANY /:id', 'POST /:id'],
    requests: {
      'GET /x': found('GET /x'),
      'HEAD /x': found('GET /x'),
      'POST /x': found('ANY /x'),
      'PROPFIND /x': found('ANY /x'),
      'POST /y': found('POST /:id', { id: 'y' }),
      'DELETE /y': found('ANY /:id', { id: 'y' }),
    },
  },
  {
    promise: 'HEAD falls back to GET, unless it has a route of its own',
    routes: ['GET /a', 'HEAD /b', 'GET /b', 'GET /c/:id'],
    requests: {
      'HEAD /a': found('GET /a'),
      'HEAD /b': found('HEAD /b'),
      'HEAD /c/1': found('GET /c/:id', { id: '1' }),
    },
  },
  {
    promise: 'a wrong method is told the right ones, over all patterns that fit',
    routes: ['POST /a/b', 'GET /a/:x', 'DELETE /a/*', 'HEAD /h'],
    requests: {
      'POST /a/b': found('POST /a/b'),
      'GET /a/b': found('GET /a/:x', { x: 'b' }),
      'PUT /a/b': wrongMethod('DELETE GET HEAD POST'),
      'PUT /a/c': wrongMethod('DELETE GET HEAD'),
      'PUT /a': wrongMethod('DELETE'),
      'GET /h': wrongMethod('HEAD'),
    },
  },
  {
    promise: 'a WebSocket is looked up by itself and never matches ANY',
    routes: ['WS /chat', 'WS /both', 'POST /both', 'ANY /any', 'WS /r/:room', 'ANY /ws-any/*'],
    requests: {
      'WS /chat': found('WS /chat'),
      'WS /r/7': found('WS /r/:room', { room: '7' }),
      'GET /chat': wrongMethod('', true),
      'GET /r/7': wrongMethod('', true),
      'GET /both': wrongMethod('POST', true),
      'POST /both': found('POST /both'),
      'WS /any': wrongMethod(EVERY_METHOD),
      'WS /ws-any/x': wrongMethod(EVERY_METHOD),
    },
  },
  {
    promise: 'routes with a host win over those without, exact hosts over wildcard hosts',
    routes: [
      'GET /x',
      'GET api.example.com/x',
      'GET *.example.com/x',
      'GET *.eu.example.com/x',
      'POST api.example.com/y',
      'GET /y',
      'DELETE /z',
      'PUT api.example.com/z',
      'GET [::1]/x',
      'GET api.example.com/:id',
    ],
    requests: {
      'GET /x': found('GET /x'),
      'GET other.org/x': found('GET /x'),
      'GET api.example.com/x': found('GET api.example.com/x'),
      'GET API.EXAMPLE.COM:8443/x': found('GET api.example.com/x'),
      'GET api.example.com./x': found('GET api.example.com/x'),
      'GET www.example.com/x': found('GET *.example.com/x'),
      'GET a.b.example.com/x': found('GET *.example.com/x'),
      'GET a.eu.example.com/x': found('GET *.eu.example.com/x'),
      'GET eu.example.com/x': found('GET *.example.com/x'),
      'GET example.com/x': found('GET /x'),
      'GET .example.com/x': found('GET /x'),
      'GET notexample.com/x': found('GET /x'),
      'GET [::1]:8080/x': found('GET [::1]/x'),
      'GET [::1]/x': found('GET [::1]/x'),
      'GET api.example.com/y': found('GET api.example.com/:id', { id: 'y' }),
      'GET www.example.com/y': found('GET /y'),
      'POST api.example.com/y': found('POST api.example.com/y'),
      'PATCH api.example.com/z': wrongMethod('DELETE GET HEAD PUT'),
      'DELETE api.example.com/z': found('DELETE /z'),
      'GET api.example.com/none/none': NONE,
    },
  },
  {
    promise: 'parameters are percent-decoded once',
    routes: ['GET /f/:name', 'GET /w/*', 'GET /pre%20fix/:id'],
    requests: {
      'GET /f/caf%C3%A9': found('GET /f/:name', { name: 'café' }),
      'GET /f/a%2Fb': found('GET /f/:name', { name: 'a/b' }),
      'GET /f/a%252Fb': found('GET /f/:name', { name: 'a%2Fb' }),
      'GET /f/a+b': found('GET /f/:name', { name: 'a+b' }),
      'GET /w/a%20b/c': found('GET /w/*', { '*': 'a b/c' }),
      'GET /pre%20fix/1': found('GET /pre%20fix/:id', { id: '1' }),
      'GET /f/%': BAD_PATH,
      'GET /f/%zz': BAD_PATH,
      'GET /f/%ff': BAD_PATH,
      'GET /w/%E0%A4': BAD_PATH,
      'POST /f/%': wrongMethod('GET HEAD'),
    },
  },
  {
    promise: 'a path with bytes that no path may hold is refused',
    routes: ['GET /f/:name', 'ANY /*'],
    requests: {
      'GET /f/\u0000': BAD_PATH,
      'GET /f/a\tb': BAD_PATH,
      'GET /f/\u007f': BAD_PATH,
      'GET /f/é': BAD_PATH,
      'GET /\n': BAD_PATH,
    },
  },
]

for (const { promise, routes, requests } of CASES) {
  test(promise, (t) => {
    const table = tableOf(routes)
    const reversed = tableOf([...routes].reverse())
    for (const [request, expected] of Object.entries(requests)) {
      const methodEnd = request.indexOf(' ')
      const pathAt = request.indexOf('/')
      const method = request.slice(0, methodEnd)
      const host = request.slice(methodEnd + 1, pathAt)
      const path = request.slice(pathAt)
      t.strictSame(table.match(method, host, path), expected, request)
      t.strictSame(reversed.match(method, host, path), expected, `${request}, routes reversed`)
    }
    t.end()
  })
}

test('the first of two equal routes is kept and the other reported', (t) => {
  const entry = (text: string, target: string) => ({ ...parseRoute(text), target })
  const table = RouteTable.build([
    entry('GET /a/:id', 'first'),
    entry('GET /a/:name', 'second'),
    entry('POST /a/:name', 'other method'),
    entry('GET api.example.com/s', 'on a host'),
    entry('GET API.example.com/s', 'on it again'),
    entry('GET /s', 'on every host'),
    entry('/w/*', 'wild'),
    entry('ANY /w/*', 'wild again'),
  ])
  t.strictSame(table.conflicts, [
    { route: 'GET /a/:name', kept: 'first', refused: 'second' },
    { route: 'GET api.example.com/s', kept: 'on a host', refused: 'on it again' },
    { route: 'ANY /w/*', kept: 'wild', refused: 'wild again' },
  ])
  t.strictSame(table.match('GET', '', '/a/7'), found('first', { id: '7' }))
  t.strictSame(table.match('GET', 'api.example.com', '/s'), found('on a host'))
  t.strictSame(tableOf(['GET /a', 'POST /a']).conflicts, [])
  t.end()
})

test('a static route answers with the same frozen result every time', (t) => {
  const table = tableOf(['GET /a/b', 'ANY /c'])
  t.equal(table.match('GET', 'h', '/a/b'), table.match('GET', 'h', '/a/b'))
  t.equal(table.match('POST', 'h', '/c'), table.match('POST', 'h', '/c'))
  t.ok(Object.isFrozen(table.match('GET', 'h', '/a/b')))
  t.end()
})

test('a path that the grammar refuses does not build', (t) => {
  t.throws(() => RouteTable.build([{ method: 'GET', path: '/a/*/b', target: 1 }]), /last segment/)
  t.end()
})

test('long paths and hosts cost no more than the routes there are', (t) => {
  const routes = ['GET *.example.com/x']
  for (let depth = 1; depth <= 12; depth++) {
    routes.push(`GET ${'/a'.repeat(depth)}/end`, `GET /:p${'/a'.repeat(depth)}/end`)
  }
  const table = tableOf(routes)
  t.strictSame(table.match('GET', `${'a.'.repeat(8000)}example.com`, '/x'), NONE)
  t.strictSame(table.match('GET', '', '/a'.repeat(8000)), NONE)
  t.strictSame(table.match('GET', '', '/'.repeat(16_000)), NONE)
  t.end()
})
