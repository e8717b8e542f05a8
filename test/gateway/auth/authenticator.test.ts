import type { KeyObject } from 'node:crypto'
import { type JWTPayload, SignJWT } from 'jose'
import { test } from 'tap'
import {
  authenticator,
  bearer,
  Clock,
  ec,
  ed,
  HOUR_S,
  keyFile,
  pem,
  refuses,
  rsa,
  SECRET,
  START_MS,
  secretBytes,
} from './test-authenticator.js'

const SIGNERS: Record<string, { key: string; sign: KeyObject | Uint8Array }> = {
  HS256: { key: SECRET, sign: secretBytes(SECRET) },
  RS256: { key: pem(rsa.publicKey), sign: rsa.privateKey },
  ES256: { key: pem(ec.publicKey), sign: ec.privateKey },
  EdDSA: { key: pem(ed.publicKey), sign: ed.privateKey },
}

for (const [algorithm, { key, sign }] of Object.entries(SIGNERS)) {
  test(`verifies ${algorithm} with a configured key`, async (t) => {
    const auth = authenticator({ algorithms: [algorithm], keyFile: keyFile(key) })
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
    const mixed = authenticator({ algorithms: ['HS256', 'RS256'], keyFile: keyFile(text) })
    await refuses(t, mixed.verify(forged), 'invalid', /must be signed with RS256/)
    const strict = authenticator({ algorithms: ['RS256'], keyFile: keyFile(text) })
    await refuses(t, strict.verify(forged), 'invalid', /must be signed with RS256/)
  }
  t.throws(
    () => authenticator({ algorithms: ['HS256'], keyFile: keyFile(text) }),
    /accepts HS256, and the key that is configured verifies RS256/,
  )
  t.throws(
    () => authenticator({ algorithms: ['HS256'], jwksUrl: 'http://x' }),
    /accepts HS256, and a key set that is configured verifies/,
  )
})

test('the algorithm is the configured one, not the one the token names', async (t) => {
  const auth = authenticator({ algorithms: ['ES256'], keyFile: keyFile(pem(ec.publicKey)) })
  await refuses(t, auth.verify(await bearer('RS256', rsa.privateKey)), 'invalid', /ES256/)
  await refuses(t, auth.verify(await bearer('HS256', secretBytes(SECRET))), 'invalid', /ES256/)
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const claims = encode({ sub: 'eve', exp: START_MS / 1000 + HOUR_S })
  for (const alg of ['none', 'None', 'NONE']) {
    await refuses(t, auth.verify(`Bearer ${encode({ alg })}.${claims}.`), 'invalid')
  }
})

test('what is not a token is told apart from a token that is wrong', async (t) => {
  const auth = authenticator({ keyFile: keyFile(pem(ec.publicKey)) })
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
  const auth = authenticator({ keyFile: keyFile(pem(ec.publicKey)) })
  const header = await bearer('ES256', ec.privateKey)
  const principal = await auth.verify(header)
  t.equal(auth.verifyCached(header.replace('Bearer', 'bearer')), principal)
  t.equal(auth.verifyCached(header.replace('Bearer ', 'BEARER   ')), principal)
  t.equal(auth.verifyCached(''), undefined)
})

test('scopes come from scope and scp, each a text or a list', async (t) => {
  const auth = authenticator({ keyFile: keyFile(pem(ec.publicKey)) })
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
  const auth = authenticator({ keyFile: keyFile(pem(ec.publicKey)) }, clock)
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
  const auth = authenticator({ keyFile: keyFile(pem(ec.publicKey)), clockToleranceMs: 5000 }, clock)
  const header = await bearer('ES256', ec.privateKey, { exp: START_MS / 1000 + 60 })
  clock.nowMs += 64_000
  t.equal((await auth.verify(header)).subject, 'ann')
  t.equal(auth.verifyCached(header), undefined)
  clock.nowMs += 1000
  await refuses(t, auth.verify(header), 'expired')
})

test('a token is verified again after two minutes', async (t) => {
  const clock = new Clock()
  const auth = authenticator({ keyFile: keyFile(pem(ec.publicKey)) }, clock)
  const header = await bearer('ES256', ec.privateKey)
  await auth.verify(header)
  clock.nowMs += 2 * 60_000 - 1
  t.ok(auth.verifyCached(header))
  clock.nowMs += 1
  t.equal(auth.verifyCached(header), undefined)
  t.ok(await auth.verify(header))
  t.ok(auth.verifyCached(header))
})

test('a token is not remembered for longer because the clock is set back', async (t) => {
  const clock = new Clock()
  const auth = authenticator({ keyFile: keyFile(pem(ec.publicKey)) }, clock)
  const header = await bearer('ES256', ec.privateKey)
  await auth.verify(header)
  clock.step(-HOUR_S * 1000)
  t.ok(auth.verifyCached(header))
  clock.nowMs += 2 * 60_000
  t.equal(auth.verifyCached(header), undefined)
})

test('a token without exp is refused, unless that is allowed', async (t) => {
  const endless = await new SignJWT({ sub: 'ann' })
    .setProtectedHeader({ alg: 'ES256' })
    .sign(ec.privateKey)
  const strict = authenticator({ keyFile: keyFile(pem(ec.publicKey)) })
  await refuses(t, strict.verify(`Bearer ${endless}`), 'invalid', /"exp"/)
  const lenient = authenticator({ keyFile: keyFile(pem(ec.publicKey)), requireExpiry: false })
  const principal = await lenient.verify(`Bearer ${endless}`)
  t.equal(principal.expiresAtMs, Number.POSITIVE_INFINITY)
  t.equal(lenient.verifyCached(`Bearer ${endless}`), principal)
})

test('issuer, audience and start are checked', async (t) => {
  const auth = authenticator({
    keyFile: keyFile(pem(ec.publicKey)),
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

test('a failed verification is not remembered', async (t) => {
  const clock = new Clock()
  const auth = authenticator({ keyFile: keyFile(pem(ec.publicKey)) }, clock)
  const header = await bearer('ES256', ec.privateKey, { nbf: START_MS / 1000 + 10 })
  const both = await Promise.allSettled([auth.verify(header), auth.verify(header)])
  t.strictSame(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  clock.nowMs += 10_000
  t.ok(await auth.verify(header))
})

test('without keys every token is refused, and told why', async (t) => {
  const auth = authenticator({})
  await refuses(t, auth.verify(await bearer('ES256', ec.privateKey)), 'invalid', /No keys are conf/)
  await refuses(t, auth.verify(''), 'missing')
  const withoutAlgorithms = authenticator({ algorithms: [] })
  const header = await bearer('HS256', secretBytes(''.padEnd(32)))
  await refuses(t, withoutAlgorithms.verify(header), 'invalid', /No keys are conf/)
})
