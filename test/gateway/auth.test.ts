import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { type Test, test } from 'tap'
import { type AuthConfig, AuthFailure, createAuthenticator } from '../../gateway/auth.js'

const START_MS = Date.UTC(2026, 0, 1)
const HOUR_S = 3600
const SECRET = 'a secret of more than thirty-two bytes'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')
const otherEc = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }) as string
const secretBytes = (text: string) => new TextEncoder().encode(text)

class Clock {
  nowMs = START_MS
  now = () => this.nowMs
}

function authenticator(config: Partial<AuthConfig>, clock = new Clock()) {
  return createAuthenticator({
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    cacheMaxTokens: 100,
    clockToleranceMs: 0,
    now: clock.now,
    ...config,
  })
}

async function bearer(
  algorithm: string,
  key: KeyObject | Uint8Array,
  claims: JWTPayload = {},
  header: { kid?: string } = {},
): Promise<string> {
  const expiring = { sub: 'ann', exp: START_MS / 1000 + HOUR_S, ...claims }
  const unsigned = new SignJWT(expiring).setProtectedHeader({ alg: algorithm, ...header })
  return `Bearer ${await unsigned.sign(key)}`
}

async function refuses(
  t: Test,
  verifying: Promise<unknown>,
  reason: AuthFailure['reason'],
  message: RegExp = /^[A-Z].*\.$/,
) {
  const failure = await verifying.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(failure instanceof AuthFailure)) return t.fail(`${reason}: not an AuthFailure`)
  t.equal(failure.reason, reason)
  t.match(failure.message, message)
}

const SIGNERS: Record<string, { key: string; sign: KeyObject | Uint8Array }> = {
  HS256: { key: SECRET, sign: secretBytes(SECRET) },
  RS256: { key: pem(rsa.publicKey), sign: rsa.privateKey },
  ES256: { key: pem(ec.publicKey), sign: ec.privateKey },
  EdDSA: { key: pem(ed.publicKey), sign: ed.privateKey },
}

for (const [algorithm, { key, sign }] of Object.entries(SIGNERS)) {
  test(`verifies ${algorithm} with a configured key`, async (t) => {
    const auth = authenticator({ algorithms: [algorithm], key })
    const header = await bearer(algorithm, sign, { scope: 'embed chat', tenant: 7 })
    t.equal(auth.verifyCached(header), undefined)
    const principal = await auth.verify(header)
    t.equal(principal.subject, 'ann')
    t.strictSame([...principal.scopes], ['embed', 'chat'])
    t.equal(principal.claims.tenant, 7)
    t.equal(principal.expiresAtMs, START_MS + HOUR_S * 1000)
    t.equal(auth.verifyCached(header), principal)
    t.equal(await auth.verify(header), principal)
    const changed = header.replace(/\.[^.]+\./, `.${btoa('{"sub":"eve"}').replace(/=/g, '')}.`)
    t.equal(auth.verifyCached(changed), undefined, 'the same signature under other claims')
    await refuses(t, auth.verify(changed), 'invalid', /signature/)
  })
}

test('a public key is never an HMAC secret, whatever is configured', async (t) => {
  const text = pem(rsa.publicKey)
  for (const secret of [text, text.trim()]) {
    const forged = await bearer('HS256', secretBytes(secret))
    const mixed = authenticator({ algorithms: ['HS256', 'RS256'], key: text })
    await refuses(t, mixed.verify(forged), 'invalid', /must be signed with RS256/)
    const strict = authenticator({ algorithms: ['RS256'], key: text })
    await refuses(t, strict.verify(forged), 'invalid', /must be signed with RS256/)
  }
  t.throws(() => authenticator({ algorithms: ['HS256'], key: text }), /verifies RS256, none of/)
  t.throws(() => authenticator({ algorithms: ['HS256'], jwksUrl: 'http://x' }), /none of which/)
})

test('the algorithm is the configured one, not the one the token names', async (t) => {
  const auth = authenticator({ algorithms: ['ES256'], key: pem(ec.publicKey) })
  await refuses(t, auth.verify(await bearer('RS256', rsa.privateKey)), 'invalid', /ES256/)
  await refuses(t, auth.verify(await bearer('HS256', secretBytes(SECRET))), 'invalid', /ES256/)
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const claims = encode({ sub: 'eve', exp: START_MS / 1000 + HOUR_S })
  for (const alg of ['none', 'None', 'NONE']) {
    await refuses(t, auth.verify(`Bearer ${encode({ alg })}.${claims}.`), 'invalid')
  }
})

test('what is not a token is told apart from a token that is wrong', async (t) => {
  const auth = authenticator({ key: pem(ec.publicKey) })
  await refuses(t, auth.verify(''), 'missing', /Authorization: Bearer/)
  await refuses(t, auth.verify('Basic YTpi'), 'malformed', /must read "Bearer/)
  await refuses(t, auth.verify('Bearer'), 'malformed')
  await refuses(t, auth.verify('Bearer '), 'malformed')
  await refuses(t, auth.verify('Bearer abc'), 'malformed')
  await refuses(t, auth.verify('Bearer a.b.c'), 'malformed')
  await refuses(t, auth.verify(`Bearer ${'a'.repeat(8193)}`), 'malformed', /8192 bytes/)
  const long = await bearer('ES256', ec.privateKey, { pad: 'x'.repeat(5000) })
  t.equal((await auth.verify(long)).subject, 'ann')
  const tooLong = await bearer('ES256', ec.privateKey, { pad: 'x'.repeat(6200) })
  await refuses(t, auth.verify(tooLong), 'malformed', /8192 bytes/)
})

test('the scheme is read without regard to case, and shares one cache entry', async (t) => {
  const auth = authenticator({ key: pem(ec.publicKey) })
  const header = await bearer('ES256', ec.privateKey)
  const principal = await auth.verify(header)
  t.equal(auth.verifyCached(header.replace('Bearer', 'bearer')), principal)
  t.equal(auth.verifyCached(header.replace('Bearer ', 'BEARER   ')), principal)
  t.equal(auth.verifyCached(''), undefined)
})

test('scopes come from scope and scp, each a text or a list', async (t) => {
  const auth = authenticator({ key: pem(ec.publicKey) })
  const scopes = async (claims: JWTPayload) => [
    ...(await auth.verify(await bearer('ES256', ec.privateKey, claims))).scopes,
  ]
  t.strictSame(await scopes({ scope: ' a  b ' }), ['a', 'b'])
  t.strictSame(await scopes({ scope: ['a', 'b c', 7] }), ['a', 'b c'])
  t.strictSame(await scopes({ scp: 'a b' }), ['a', 'b'])
  t.strictSame(await scopes({ scp: ['b'], scope: 'a b' }), ['a', 'b'])
  t.strictSame(await scopes({ scope: { a: 1 } }), [])
})

test('a remembered token ends with its exp', async (t) => {
  const clock = new Clock()
  const auth = authenticator({ key: pem(ec.publicKey) }, clock)
  const header = await bearer('ES256', ec.privateKey, { exp: START_MS / 1000 + 60 })
  await auth.verify(header)
  clock.nowMs += 59_999
  t.ok(auth.verifyCached(header))
  clock.nowMs += 1
  t.equal(auth.verifyCached(header), undefined)
  await refuses(t, auth.verify(header), 'expired', /get a new one/)
})

test('within the clock tolerance a token past its exp is verified but not remembered', async (t) => {
  const clock = new Clock()
  const auth = authenticator({ key: pem(ec.publicKey), clockToleranceMs: 5000 }, clock)
  const header = await bearer('ES256', ec.privateKey, { exp: START_MS / 1000 + 60 })
  clock.nowMs += 64_000
  t.equal((await auth.verify(header)).subject, 'ann')
  t.equal(auth.verifyCached(header), undefined)
  clock.nowMs += 1000
  await refuses(t, auth.verify(header), 'expired')
})

test('a token is verified again after five minutes', async (t) => {
  const clock = new Clock()
  const auth = authenticator({ key: pem(ec.publicKey) }, clock)
  const header = await bearer('ES256', ec.privateKey)
  await auth.verify(header)
  clock.nowMs += 5 * 60_000 - 1
  t.ok(auth.verifyCached(header))
  clock.nowMs += 1
  t.equal(auth.verifyCached(header), undefined)
  t.ok(await auth.verify(header))
  t.ok(auth.verifyCached(header))
})

test('a token without exp is refused, unless that is allowed', async (t) => {
  const endless = await new SignJWT({ sub: 'ann' })
    .setProtectedHeader({ alg: 'ES256' })
    .sign(ec.privateKey)
  const strict = authenticator({ key: pem(ec.publicKey) })
  await refuses(t, strict.verify(`Bearer ${endless}`), 'invalid', /"exp"/)
  const lenient = authenticator({ key: pem(ec.publicKey), requireExpiry: false })
  const principal = await lenient.verify(`Bearer ${endless}`)
  t.equal(principal.expiresAtMs, Number.POSITIVE_INFINITY)
  t.equal(lenient.verifyCached(`Bearer ${endless}`), principal)
})

test('issuer, audience and start are checked', async (t) => {
  const auth = authenticator({
    key: pem(ec.publicKey),
    issuer: 'https://id.example.com',
    audience: ['callgate', 'gpu'],
  })
  const verify = async (claims: JWTPayload) =>
    auth.verify(await bearer('ES256', ec.privateKey, claims))
  const right = { iss: 'https://id.example.com', aud: 'gpu' }
  t.ok(await verify(right))
  t.ok(await verify({ ...right, aud: ['x', 'callgate'] }))
  await refuses(t, verify({ ...right, iss: 'https://evil.example' }), 'invalid', /"iss"/)
  await refuses(t, verify({ aud: 'gpu' }), 'invalid', /needs the claim "iss"/)
  await refuses(t, verify({ ...right, aud: 'other' }), 'invalid', /"aud"/)
  await refuses(t, verify({ iss: right.iss }), 'invalid', /needs the claim "aud"/)
  await refuses(t, verify({ ...right, nbf: START_MS / 1000 + 1 }), 'invalid', /not valid yet/)
})

test('verifications of one token at one time share one promise', async (t) => {
  let requests = 0
  const { url } = await serveKeys(t, async () => {
    requests += 1
    return { keys: [{ ...(await exportJWK(ec.publicKey)), kid: 'one' }] }
  })
  const auth = authenticator({ jwksUrl: url })
  const header = await bearer('ES256', ec.privateKey, {}, { kid: 'one' })
  const principals = await Promise.all(Array.from({ length: 50 }, () => auth.verify(header)))
  t.equal(new Set(principals).size, 1, 'one verification, one principal')
  t.equal(requests, 1)
})

test('a failed verification is not remembered', async (t) => {
  const clock = new Clock()
  const auth = authenticator({ key: pem(ec.publicKey) }, clock)
  const header = await bearer('ES256', ec.privateKey, { nbf: START_MS / 1000 + 10 })
  const both = await Promise.allSettled([auth.verify(header), auth.verify(header)])
  t.strictSame(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  clock.nowMs += 10_000
  t.ok(await auth.verify(header))
})

test('keys rotate with the JWKS file', async (t) => {
  const path = join(t.testdir({}), 'jwks.json')
  const clock = new Clock()
  const auth = authenticator({ jwksFile: path }, clock)
  const first = await bearer('ES256', ec.privateKey, {}, { kid: '1' })
  const second = await bearer('ES256', otherEc.privateKey, {}, { kid: '2' })
  await refuses(t, auth.verify(first), 'keys_unavailable', /try again/)

  await writeKeys(path, { '1': ec.publicKey })
  t.ok(await auth.verify(first))
  await refuses(t, auth.verify(second), 'invalid', /does not have/)

  await writeKeys(path, { '2': otherEc.publicKey })
  await refuses(t, auth.verify(second), 'invalid', /does not have/)
  clock.nowMs += 1000
  t.ok(await auth.verify(second), 'the file is looked at again after a second')
  t.ok(auth.verifyCached(first), 'what was verified before is remembered')
  clock.nowMs += 5 * 60_000
  await refuses(t, auth.verify(first), 'invalid', /does not have/)

  writeFileSync(path, '{"keys": [')
  clock.nowMs += 1000
  t.ok(await auth.verify(second), 'a file caught half written does not take the keys away')
  await writeKeys(path, {})
  clock.nowMs += 5 * 60_000
  await refuses(t, auth.verify(second), 'invalid', /does not have/)
  rmSync(path)
  clock.nowMs += 1000
  await refuses(t, auth.verify(second), 'keys_unavailable')
})

test('a JWKS file changed in place, to the same size, is read again', async (t) => {
  const path = join(t.testdir({}), 'jwks.json')
  const clock = new Clock()
  const auth = authenticator({ jwksFile: path }, clock)
  const jwks = async (key: KeyObject) => JSON.stringify({ keys: [await exportJWK(key)] })
  writeFileSync(path, await jwks(ec.publicKey))
  t.ok(await auth.verify(await bearer('ES256', ec.privateKey)))
  writeFileSync(path, await jwks(otherEc.publicKey))
  // The file system's own clock may be too coarse to tell two writes in a row apart.
  utimesSync(path, START_MS / 1000, START_MS / 1000)
  clock.nowMs += 1000
  t.ok(await auth.verify(await bearer('ES256', otherEc.privateKey)))
})

test('without a key id every fitting key of the set is tried', async (t) => {
  const path = join(t.testdir({}), 'jwks.json')
  await writeKeys(path, { '1': ec.publicKey, '2': otherEc.publicKey, '3': rsa.publicKey })
  const auth = authenticator({ jwksFile: path })
  t.ok(await auth.verify(await bearer('ES256', ec.privateKey)))
  t.ok(await auth.verify(await bearer('ES256', otherEc.privateKey)))
  t.ok(await auth.verify(await bearer('RS256', rsa.privateKey)))
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await refuses(t, auth.verify(await bearer('ES256', stranger.privateKey)), 'invalid', /signature/)
  const old = await bearer('ES256', otherEc.privateKey, { exp: START_MS / 1000 - 1 })
  await refuses(t, auth.verify(old), 'expired')
})

test('a JWKS URL that does not answer is not the fault of the token', async (t) => {
  let keys: object | undefined
  const { url, server } = await serveKeys(t, async () => keys)
  const auth = authenticator({ jwksUrl: url })
  const header = await bearer('ES256', ec.privateKey)
  await refuses(t, auth.verify(header), 'keys_unavailable', /try again/)
  keys = { nothing: true }
  await refuses(t, auth.verify(header), 'keys_unavailable')
  keys = { keys: [await exportJWK(ec.publicKey)] }
  t.ok(await auth.verify(header))
  server.close()
  server.closeAllConnections()
  t.ok(auth.verifyCached(header))
  t.ok(await auth.verify(await bearer('ES256', ec.privateKey, { sub: 'bob' })), 'keys are at hand')
  const unreached = authenticator({ jwksUrl: url })
  await refuses(t, unreached.verify(header), 'keys_unavailable')
})

test('without keys every token is refused, and told why', async (t) => {
  const auth = authenticator({})
  await refuses(t, auth.verify(await bearer('ES256', ec.privateKey)), 'invalid', /No keys are conf/)
  await refuses(t, auth.verify(''), 'missing')
  const withoutAlgorithms = authenticator({ algorithms: [] })
  const header = await bearer('HS256', secretBytes(''.padEnd(32)))
  await refuses(t, withoutAlgorithms.verify(header), 'invalid', /No keys are conf/)
})

test('a configuration that cannot be meant is refused at the start', (t) => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const privatePem = ec.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const refused: [Partial<AuthConfig>, RegExp][] = [
    [{ algorithms: ['none'] }, /"none" is not one of/],
    [{ algorithms: ['RS512'] }, /"RS512" is not one of/],
    [{ algorithms: ['HS256'], key: 'short' }, /32 bytes or more/],
    [{ algorithms: ['RS256'], key: SECRET }, /verifies HS256, none of which/],
    [{ algorithms: ['HS256'], key: `{"keys":[],"pad":"${SECRET}"}` }, /is JSON/],
    [{ key: privatePem }, /private key/],
    [{ key: pem(p384.publicKey) }, /EC on P-256/],
    [{ key: pem(weak.publicKey) }, /2048 bits/],
    [{ key: pem(ec.publicKey), jwksFile: 'x' }, /only one of/],
  ]
  for (const [config, message] of refused) t.throws(() => authenticator(config), message)
  t.end()
})

async function writeKeys(path: string, keys: Record<string, KeyObject>): Promise<void> {
  const entries = Object.entries(keys)
  const set = await Promise.all(
    entries.map(async ([kid, key]) => ({ ...(await exportJWK(key)), kid })),
  )
  writeFileSync(`${path}.new`, JSON.stringify({ keys: set }))
  renameSync(`${path}.new`, path)
}

/** Serves what `keys` gives; undefined is answered 500. */
async function serveKeys(
  t: Test,
  keys: () => Promise<object | undefined>,
): Promise<{ url: string; server: Server }> {
  const server = createServer(async (_request, response) => {
    const body = await keys()
    response.statusCode = body === undefined ? 500 : 200
    response.end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`, server }
}
