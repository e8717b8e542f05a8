import { test } from 'tap'
import { parsePath, parseRoute } from '../../shared/route-pattern.js'

const WELL_FORMED: Record<string, object> = {
  'POST /v1/embeddings': { method: 'POST', path: '/v1/embeddings' },
  'WS /chat': { method: 'WS', path: '/chat' },
  '/app/*': { method: 'ANY', path: '/app/*' },
  '  GET   /  ': { method: 'GET', path: '/' },
  'ANY /*': { method: 'ANY', path: '/*' },
  'GET api.example.com/v1/*': { method: 'GET', host: 'api.example.com', path: '/v1/*' },
  'GET API.Example.com/Keep': { method: 'GET', host: 'api.example.com', path: '/Keep' },
  '*.example.com/x': { method: 'ANY', host: '*.example.com', path: '/x' },
  'localhost/x': { method: 'ANY', host: 'localhost', path: '/x' },
  '10.0.0.1/x': { method: 'ANY', host: '10.0.0.1', path: '/x' },
  '[::1]/x': { method: 'ANY', host: '[::1]', path: '/x' },
  '/v1/models:predict': { method: 'ANY', path: '/v1/models:predict' },
  '/files/%C3%A9/:fileId/raw': { method: 'ANY', path: '/files/%C3%A9/:fileId/raw' },
  "/~a/!$&'()+,;=@-._": { method: 'ANY', path: "/~a/!$&'()+,;=@-._" },
}

const REFUSED: Record<string, RegExp> = {
  '': /must begin with a slash/,
  GET: /must begin with a slash/,
  'POST v1': /must begin with a slash/,
  'POST v1/embeddings': /missing slash/,
  'post /x': /unknown method "post"; it is one of GET, HEAD/,
  'BREW /x': /unknown method "BREW"/,
  'GET POST /x': /no other spaces/,
  'GET /a b': /no other spaces/,
  '/a//b': /empty segment/,
  '/a/': /empty segment/,
  '/*/a': /must be the last segment/,
  '/a*': /must be a segment of its own/,
  '/:id/:id': /":id" is there twice/,
  '/:': /not a parameter/,
  '/:1': /not a parameter/,
  '/:__proto__': /not a parameter/,
  '/:id.json': /not a parameter/,
  '/{id}': /write ":id"/,
  '/é': /percent-encoded/,
  '/a?b=c': /percent-encoded/,
  '/a#b': /percent-encoded/,
  '/\u0000': /percent-encoded/,
  'localhost:8080/x': /leave the port out/,
  'a*.example.com/x': /not a host name/,
}

for (const [text, pattern] of Object.entries(WELL_FORMED)) {
  test(`reads "${text}"`, (t) => {
    t.strictSame(parseRoute(text), pattern)
    t.end()
  })
}

for (const [text, message] of Object.entries(REFUSED)) {
  test(`refuses ${JSON.stringify(text)} and says why`, (t) => {
    t.throws(() => parseRoute(text), message)
    t.end()
  })
}

test('names the segments of a path', (t) => {
  t.strictSame(parsePath('/a/:id/*'), [
    { kind: 'static', text: 'a' },
    { kind: 'parameter', name: 'id' },
    { kind: 'wildcard' },
  ])
  t.strictSame(parsePath('/'), [])
  t.throws(() => parsePath('a'), /begin with a slash/)
  t.end()
})
