import t from 'tap'
import { type DefinedFunction, defineFunction } from '../../runner/define-function.js'
import { describeFunction } from '../../runner/describe-function.js'

const run = () => 1
const fetch = () => new Response()

t.test('the file’s name is name and route of a function that declares nothing', async (t) => {
  t.match(describeFunction(defineFunction({ run }), 'hello'), {
    version: 1,
    name: 'hello',
    form: 'run',
    routes: ['POST /hello'],
    auth: { scopes: [] },
    maxInputs: 1,
    timeoutMs: 300_000,
    maxBodyBytes: 100 * 1024 * 1024,
    loadTimeoutMs: 600_000,
  })
  t.match(describeFunction(defineFunction({ fetch }), 'app'), {
    form: 'fetch',
    routes: ['/app/*'],
    maxBodyBytes: null,
  })
})

t.test('what is declared goes before the defaults', async (t) => {
  const manifest = describeFunction(
    defineFunction({
      name: 'other',
      route: ['GET /a', 'api.example.com/b/:id'],
      auth: { scope: 'read write' },
      maxInputs: 7,
      timeoutMs: 5,
      maxBodyBytes: 0,
      run,
    }),
    'hello',
  )
  t.match(manifest, {
    name: 'other',
    routes: ['GET /a', 'api.example.com/b/:id'],
    auth: { scopes: ['read', 'write'] },
    maxInputs: 7,
    timeoutMs: 5,
    maxBodyBytes: 0,
  })
})

t.test('what a function says of its calls running again is told from its silence', async (t) => {
  const of = (options: { idempotent?: boolean }) => {
    const { idempotent, runsOnce } = describeFunction(defineFunction({ ...options, run }), 'f')
    return { idempotent, runsOnce }
  }
  t.same(of({}), { idempotent: false, runsOnce: false })
  t.same(of({ idempotent: true }), { idempotent: true, runsOnce: false })
  t.same(of({ idempotent: false }), { idempotent: false, runsOnce: true })
})

t.test('auth is public, scopes, or any valid token', async (t) => {
  const authOf = (auth: DefinedFunction['auth']) =>
    describeFunction(defineFunction({ ...(auth === undefined ? {} : { auth }), run }), 'f').auth
  t.equal(authOf('public'), 'public')
  t.same(authOf(undefined), { scopes: [] })
  t.same(authOf({ scope: ['a b', 'c'] }), { scopes: ['a b', 'c'] })
  t.same(authOf({ scope: 'a' }), { scopes: ['a'] })
})

t.test('stray spaces in a scope are no scope', async (t) => {
  // `''.split(' ')` is `['']`: no token has the scope '', so nobody could ever call the function.
  for (const [scope, scopes] of [
    ['a  b', ['a', 'b']],
    [' a', ['a']],
  ] as const) {
    const { auth } = describeFunction(defineFunction({ auth: { scope }, run }), 'f')
    t.same(auth, { scopes })
  }
})

t.test('no limit is null', async (t) => {
  const manifest = describeFunction(
    defineFunction({
      timeoutMs: Infinity,
      maxBodyBytes: Infinity,
      loadTimeoutMs: Infinity,
      run,
    }),
    'f',
  )
  t.match(manifest, { timeoutMs: null, maxBodyBytes: null, loadTimeoutMs: null })
})

t.test('what cannot be deployed is refused, with a word about it', async (t) => {
  const refused = (declaration: object, message: RegExp, name = 'f') =>
    t.throws(
      () =>
        describeFunction(defineFunction(declaration as Parameters<typeof defineFunction>[0]), name),
      { message },
    )
  refused({}, /exactly one of `run`, `fetch` and `socket`/)
  refused({ run, fetch }, /exactly one of `run`, `fetch` and `socket`/)
  refused({ run: 1 }, /exactly one of `run`, `fetch` and `socket`/)
  refused({ run }, /"Hello"/, 'Hello')
  refused({ run, name: 'a.b' }, /"a\.b"/)
  refused({ run, name: '' }, /""/)
  refused({ run, route: 'FETCH /a' }, /unknown method "FETCH"/)
  refused({ run, route: 'GET a' }, /slash/)
  refused({ run, maxInputs: 0 }, /maxInputs/)
  refused({ run, maxInputs: 1.5, timeoutMs: -1 }, /maxInputs: .*timeoutMs: /)
  refused({ run, timeoutMs: Number.NaN }, /timeoutMs/)
  refused({ run, route: 'GET /a/:b/c', affinity: { param: 'c' } }, /^affinity: none .* c\.$/)
  // Each of them would let in more callers than its author meant.
  refused({ run, scope: 'admin', bogus: 1 }, /^scope, bogus: no option of a function/)
  for (const scope of ['', ' ', [], [''], undefined, null, 1]) {
    refused({ run, auth: { scope } }, /^auth: is 'public', or \{ scope/)
  }
  for (const auth of ['none', false, null, {}, { scopes: ['a'] }, { scope: 'a', scopes: ['b'] }]) {
    refused({ run, auth }, /^auth: is 'public', or \{ scope/)
  }
})

t.test('affinity by a parameter that a route has, or by the rest of a path', async (t) => {
  for (const param of ['b', '*']) {
    const route = ['GET /a/:b', 'POST /c/*']
    const { affinity } = describeFunction(defineFunction({ route, affinity: { param }, run }), 'f')
    t.same(affinity, { param })
  }
})
