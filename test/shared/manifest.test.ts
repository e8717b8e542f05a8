import t from 'tap'
import { FUNCTION_NAME, ManifestError, readManifest, sameManifest } from '../../shared/manifest.js'

const MANIFEST = {
  version: 1 as const,
  name: 'embed',
  form: 'run' as const,
  routes: ['POST /v1/embeddings'],
  auth: { scopes: ['embed'] },
  maxInputs: 8,
  timeoutMs: 60_000,
  maxBodyBytes: null,
  firstByteMs: null,
  idleMs: null,
  pingMs: null,
  maxMessageBytes: 2 * 1024 * 1024,
  idempotent: true,
  runsOnce: false,
  maxAttempts: 2,
  affinity: { header: 'x-session' },
  loadTimeoutMs: 600_000,
}

t.test('a manifest is read from text as from a value', (t) => {
  t.same(readManifest(MANIFEST), MANIFEST)
  t.same(readManifest(JSON.stringify(MANIFEST)), MANIFEST)
  t.same(readManifest({ ...MANIFEST, auth: 'public', routes: [], timeoutMs: null }).auth, 'public')
  t.end()
})

t.test('what a manifest of an earlier release does not say has its default', (t) => {
  const {
    idempotent: _,
    runsOnce: __,
    maxAttempts: ___,
    affinity: ____,
    loadTimeoutMs: _____,
    ...earlier
  } = MANIFEST
  t.match(readManifest(earlier), {
    idempotent: false,
    runsOnce: false,
    maxAttempts: 3,
    affinity: null,
    loadTimeoutMs: 600_000,
  })
  t.equal(readManifest({ ...MANIFEST, loadTimeoutMs: null }).loadTimeoutMs, null)
  t.end()
})

t.test('every fault of a manifest is named, with its place', (t) => {
  const faulty = {
    ...MANIFEST,
    name: 'Embed',
    maxInputs: 0,
    form: 'lambda',
    auth: { scopes: 'embed' },
  }
  t.throws(() => readManifest(faulty), ManifestError)
  try {
    readManifest(faulty)
  } catch (error) {
    const { message } = error as ManifestError
    for (const place of ['name:', 'maxInputs:', 'form:', 'auth'])
      t.ok(message.includes(place), place)
  }
  t.end()
})

const REFUSED: Record<string, unknown> = {
  'no JSON': '{',
  nothing: '',
  nil: 'null',
  'a number': '1',
  'a list': '[]',
  'another version': { ...MANIFEST, version: 2 },
  'no version': { ...MANIFEST, version: undefined },
  'a name of two tokens': { ...MANIFEST, name: 'a.b' },
  'an empty name': { ...MANIFEST, name: '' },
  'a name that is too long': { ...MANIFEST, name: 'x'.repeat(64) },
  'a fractional maxInputs': { ...MANIFEST, maxInputs: 1.5 },
  'a timeout of zero': { ...MANIFEST, timeoutMs: 0 },
  'a timeout beyond what a timer holds': { ...MANIFEST, timeoutMs: 2 ** 31 },
  'affinity to two things at once': { ...MANIFEST, affinity: { header: 'a', claim: 'b' } },
  'no attempt at all': { ...MANIFEST, maxAttempts: 0 },
  'no timeout at all': { ...MANIFEST, timeoutMs: undefined },
  'a negative body bound': { ...MANIFEST, maxBodyBytes: -1 },
  'no auth: nobody shall be let in by mistake': { ...MANIFEST, auth: undefined },
  'auth of nil': { ...MANIFEST, auth: null },
  'an unknown word for auth': { ...MANIFEST, auth: 'private' },
  'a route that is no text': { ...MANIFEST, routes: [1] },
  'too many routes': { ...MANIFEST, routes: Array.from({ length: 65 }, (_, n) => `GET /${n}`) },
  // A route that deploys is a route that can be matched (route-pattern.ts).
  'a route that nobody can match': { ...MANIFEST, routes: ['FETCH the moon'] },
}

for (const [name, source] of Object.entries(REFUSED)) {
  t.test(`a manifest is refused: ${name}`, (t) => {
    t.throws(() => readManifest(source), ManifestError)
    t.end()
  })
}

t.test('two manifests are the same whatever the order of what they say', (t) => {
  const reversed = Object.fromEntries(Object.entries(MANIFEST).reverse())
  t.ok(sameManifest(MANIFEST, readManifest(reversed)))
  t.notOk(sameManifest(MANIFEST, { ...MANIFEST, maxInputs: 9 }))
  t.notOk(sameManifest(MANIFEST, { ...MANIFEST, auth: 'public' }))
  t.notOk(sameManifest(MANIFEST, { ...MANIFEST, auth: { scopes: [] } }))
  t.end()
})

t.test('a function name is a token of a subject and a key of the registry', (t) => {
  for (const name of ['a', '0', 'embed-v2_x', 'x'.repeat(63)]) t.match(name, FUNCTION_NAME)
  for (const name of ['', '-a', '_a', 'A', 'a.b', 'a b', 'a*', 'a>', 'a\n', 'é', 'x'.repeat(64)]) {
    t.notMatch(name, FUNCTION_NAME)
  }
  t.end()
})
