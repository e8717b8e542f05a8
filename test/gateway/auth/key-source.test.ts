// Where keys come from: how fast a new one works and a withdrawn one does not, and what is left when their
// source is gone.

import { spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK } from 'jose'
import t from 'tap'
import type { AuthConfig } from '../../../gateway/auth/authenticator.js'
import { until } from '../../shared/test-bus.js'
import {
  authenticator,
  bearer,
  Clock,
  ec,
  Issuer,
  keyFile,
  Log,
  otherEc,
  pem,
  refuses,
  rsa,
  SECRET,
  START_MS,
  writeKeys,
} from './test-authenticator.js'

const MINUTE_MS = 60_000
let subjects = 0

/** A token that was never seen before, and is good for a day. */
function newToken(key: KeyObject = ec.privateKey, kid = '1'): Promise<string> {
  const claims = { sub: `subject ${subjects++}`, exp: START_MS / 1000 + 86_400 }
  return bearer('ES256', key, claims, { kid })
}

/** Resolves when `attempt` does not fail any more. */
async function eventually(attempt: () => Promise<unknown>): Promise<void> {
  let isDone = false
  const loop = async () => {
    while (!isDone) {
      isDone = await attempt().then(
        () => true,
        () => false,
      )
    }
  }
  void loop()
  await until(() => isDone)
}

// ---- a key set behind a URL ----------------------------------------------------------------------------

t.test('verifications of one token at one time share one promise and one request', async (t) => {
  const issuer = await Issuer.start(t, { '1': ec.publicKey })
  const auth = authenticator({ jwksUrl: issuer.url })
  const header = await newToken()
  const principals = await Promise.all(Array.from({ length: 50 }, () => auth.verify(header)))
  t.equal(new Set(principals).size, 1, 'one verification, one principal')
  t.equal(issuer.requests, 1)
})

t.test('a set is fetched again before it is old, and nobody waits for it', async (t) => {
  const clock = new Clock()
  const issuer = await Issuer.start(t, { '1': ec.publicKey })
  const auth = authenticator({ jwksUrl: issuer.url }, clock)
  t.ok(await auth.verify(await newToken()))
  clock.nowMs += MINUTE_MS
  issuer.hold()
  for (let count = 0; count < 20; count++) t.ok(await auth.verify(await newToken()))
  await until(() => issuer.waiting === 1)
  await issuer.serve({ '2': otherEc.publicKey })
  issuer.release()
  const second = await newToken(otherEc.privateKey, '2')
  await eventually(() => auth.verify(second))
  await refuses(t, auth.verify(await newToken()), 'invalid', /does not have/)
  t.equal(issuer.requests, 2)
})

t.test('an issuer that is down for an hour is noticed by nobody, and logged once', async (t) => {
  // jose's own key set throws its keys away with the first attempt that fails: five minutes later every
  // protected route was down, with a stack in the log for each call.
  const clock = new Clock()
  const log = new Log()
  const issuer = await Issuer.start(t, { '1': ec.publicKey })
  const auth = authenticator({ jwksUrl: issuer.url }, clock, log.logger)
  const early = await newToken()
  t.ok(await auth.verify(early))
  const { body } = issuer
  issuer.body = undefined
  for (let minute = 1; minute <= 60; minute++) {
    clock.nowMs += MINUTE_MS
    if (!(await auth.verify(await newToken()))) t.fail(`minute ${minute}`)
    await until(() => log.errors.length === 1)
  }
  t.match(log.errors, [/cannot be read: the last good ones serve for 59 more minutes at most$/])
  clock.nowMs += 1
  await refuses(t, auth.verify(early), 'keys_unavailable', /try again/)

  issuer.body = body
  t.strictSame(log.infos, [])
  clock.nowMs += 5_000
  t.ok(await auth.verify(early), 'the first call after its return is let in')
  t.equal(log.errors.length, 1)
  t.strictSame(log.infos, ['the keys that verify tokens can be read again'])
})

t.test('an issuer that answers rubbish is one that is down', async (t) => {
  const clock = new Clock()
  const log = new Log()
  const issuer = await Issuer.start(t, { '1': ec.publicKey })
  const auth = authenticator({ jwksUrl: issuer.url }, clock, log.logger)
  t.ok(await auth.verify(await newToken()))
  issuer.body = { nothing: true }
  clock.nowMs += 4 * MINUTE_MS
  t.ok(await auth.verify(await newToken()))
  t.equal(log.errors.length, 1)
})

t.test('an issuer that is known to be down holds nobody up when it hangs', async (t) => {
  const clock = new Clock()
  const log = new Log()
  const issuer = await Issuer.start(t, { '1': ec.publicKey })
  const auth = authenticator({ jwksUrl: issuer.url }, clock, log.logger)
  t.ok(await auth.verify(await newToken()))
  issuer.body = undefined
  clock.nowMs += MINUTE_MS
  t.ok(await auth.verify(await newToken()))
  await until(() => log.errors.length === 1)
  issuer.hold()
  clock.nowMs += 10 * MINUTE_MS
  const unknown = await newToken(otherEc.privateKey, 'unknown')
  await refuses(t, auth.verify(unknown), 'keys_unavailable', /try again/)
  for (let count = 0; count < 20; count++) t.ok(await auth.verify(await newToken()))
  await until(() => issuer.requests === 3)
  t.equal(issuer.waiting, 1, 'the attempt has not come to its end')
})

t.test('a key that is taken out of the set has stopped working after five minutes', async (t) => {
  // The set was good for five minutes, and a token verified at their end for another five.
  const clock = new Clock()
  const issuer = await Issuer.start(t, { '1': ec.publicKey, '2': otherEc.publicKey })
  const auth = authenticator({ jwksUrl: issuer.url }, clock)
  const quiet = authenticator({ jwksUrl: issuer.url }, clock)
  t.ok(await auth.verify(await newToken()))
  t.ok(await quiet.verify(await newToken()))
  await issuer.serve({ '2': otherEc.publicKey })
  issuer.hold()
  clock.nowMs += 3 * MINUTE_MS - 1
  const last = await newToken()
  t.ok(await auth.verify(last), 'verified with the old set')
  issuer.release()
  clock.nowMs += 1
  await refuses(t, quiet.verify(await newToken()), 'invalid', /does not have/)
  clock.nowMs += 2 * MINUTE_MS
  t.equal(auth.verifyCached(last), undefined)
  await refuses(t, auth.verify(last), 'invalid', /does not have/)
})

t.test('a new key works with the first token that names it', async (t) => {
  const clock = new Clock()
  const issuer = await Issuer.start(t, { '1': ec.publicKey })
  const auth = authenticator({ jwksUrl: issuer.url }, clock)
  t.ok(await auth.verify(await newToken()))
  await issuer.serve({ '2': otherEc.publicKey })
  clock.nowMs += 30_000
  t.ok(await auth.verify(await newToken(otherEc.privateKey, '2')))
})

t.test('key ids that anybody makes up are one request in half a minute at most', async (t) => {
  // Every one of them was a request while the issuer was down.
  const clock = new Clock()
  const issuer = await Issuer.start(t, { '1': ec.publicKey })
  const auth = authenticator({ jwksUrl: issuer.url }, clock)
  t.ok(await auth.verify(await newToken()))
  const strangers = async (reason: 'invalid' | 'keys_unavailable') => {
    for (let count = 0; count < 10; count++) {
      const header = await newToken(otherEc.privateKey, `stranger ${count}`)
      await refuses(t, auth.verify(header), reason)
    }
    return issuer.requests
  }
  t.equal(await strangers('invalid'), 1)
  clock.nowMs += 30_000
  t.equal(await strangers('invalid'), 2)
  issuer.body = undefined
  clock.nowMs += 30_000
  t.equal(await strangers('keys_unavailable'), 3)
  clock.nowMs += 5_000
  await strangers('keys_unavailable')
  await until(() => issuer.requests === 4)
})

t.test('an issuer that has never answered is not the fault of the token', async (t) => {
  const clock = new Clock()
  const log = new Log()
  const issuer = await Issuer.start(t, null)
  const auth = authenticator({ jwksUrl: issuer.url }, clock, log.logger)
  const header = await newToken()
  for (let count = 0; count < 20; count++) {
    await refuses(t, auth.verify(header), 'keys_unavailable', /try again/)
  }
  t.equal(issuer.requests, 1)
  t.match(log.errors, [/: tokens are refused until they can$/])
  await issuer.serve({ '1': ec.publicKey })
  clock.nowMs += 5_000
  t.ok(await auth.verify(header))

  const { url } = issuer
  issuer.stop()
  const unreached = authenticator({ jwksUrl: url })
  await refuses(t, unreached.verify(header), 'keys_unavailable')
})

t.test('a key of the set that is none is logged once', async (t) => {
  const log = new Log()
  const issuer = await Issuer.start(t, null)
  issuer.body = { keys: [{ ...(await exportJWK(ec.publicKey)), kid: '1', x: 'AAAA' }] }
  const auth = authenticator({ jwksUrl: issuer.url }, new Clock(), log.logger)
  for (let count = 0; count < 3; count++) {
    await refuses(t, auth.verify(await newToken()), 'keys_unavailable')
  }
  t.strictSame(log.errors, ['a key that verifies tokens cannot be used'])
})

// ---- a key set in a file -------------------------------------------------------------------------------

t.test('keys rotate with the JWKS file', async (t) => {
  const path = join(t.testdir({}), 'jwks.json')
  const clock = new Clock()
  await writeKeys(path, { '1': ec.publicKey })
  const auth = authenticator({ jwksFile: path }, clock)
  const first = await newToken()
  const second = await newToken(otherEc.privateKey, '2')
  t.ok(await auth.verify(first))
  await refuses(t, auth.verify(second), 'invalid', /does not have/)

  await writeKeys(path, { '2': otherEc.publicKey })
  await refuses(t, auth.verify(second), 'invalid', /does not have/)
  clock.nowMs += 1000
  t.ok(await auth.verify(second), 'the file is looked at again after a second')
  t.ok(auth.verifyCached(first), 'what was verified before is remembered')
  clock.nowMs += 2 * MINUTE_MS
  await refuses(t, auth.verify(first), 'invalid', /does not have/)
  await writeKeys(path, {})
  clock.nowMs += 2 * MINUTE_MS
  await refuses(t, auth.verify(second), 'invalid', /does not have/)
})

t.test('a JWKS file that cannot be read takes no key away for an hour', async (t) => {
  // One that was away for a moment, as it was replaced, refused every call of that moment.
  const path = join(t.testdir({}), 'jwks.json')
  const clock = new Clock()
  const log = new Log()
  await writeKeys(path, { '1': ec.publicKey })
  const auth = authenticator({ jwksFile: path }, clock, log.logger)
  rmSync(path)
  clock.nowMs += 1000
  t.ok(await auth.verify(await newToken()), 'it is away')
  t.match(log.errors, [/cannot be read: the last good ones serve for 60 more minutes at most$/])
  writeFileSync(path, '{"keys": [')
  clock.nowMs += 59 * MINUTE_MS
  t.ok(await auth.verify(await newToken()), 'it is there by half')
  clock.nowMs += MINUTE_MS
  const late = await newToken()
  await refuses(t, auth.verify(late), 'keys_unavailable')
  await writeKeys(path, { '1': ec.publicKey })
  clock.nowMs += 1000
  t.ok(await auth.verify(late))
  t.same([log.errors.length, log.infos.length], [1, 1])
})

t.test('a JWKS file changed in place, to the same size, is read again', async (t) => {
  const path = join(t.testdir({}), 'jwks.json')
  const clock = new Clock()
  const jwks = async (key: KeyObject) => JSON.stringify({ keys: [await exportJWK(key)] })
  writeFileSync(path, await jwks(ec.publicKey))
  const auth = authenticator({ jwksFile: path }, clock)
  t.ok(await auth.verify(await bearer('ES256', ec.privateKey)))
  writeFileSync(path, await jwks(otherEc.publicKey))
  // The file system's own clock may be too coarse to tell two writes in a row apart.
  utimesSync(path, START_MS / 1000, START_MS / 1000)
  clock.nowMs += 1000
  t.ok(await auth.verify(await bearer('ES256', otherEc.privateKey)))
})

// Every protected route answered 503 until somebody read the log.
t.test('a JWKS file of no use is refused at the start', async (t) => {
  const folder = t.testdir({})
  const path = join(folder, 'jwks.json')
  t.throws(() => authenticator({ jwksFile: path }), {
    message: /^CALLGATE_JWKS_FILE: ENOENT.*jwks/,
  })
  const jwk = await exportJWK(ec.publicKey)
  const useless: [unknown, RegExp][] = [
    ['hunter2', /: it is not JSON$/],
    ['[]', /no JSON Web Key Set$/],
    ['null', /no JSON Web Key Set$/],
    [{ keys: [] }, /no public key that can verify/],
    [{ keys: [null, 'hunter2'] }, /no public key/],
    [{ keys: [{ ...jwk, use: 'enc' }] }, /no public key/],
    [{ keys: [{ ...jwk, alg: 'ES512' }] }, /no public key/],
    [{ keys: [{ ...jwk, x: 'AAAA' }] }, /no public key/],
    [{ keys: [{ kty: 'oct', k: 'hunter2' }] }, /no public key/],
    [{ keys: [await exportJWK(ec.privateKey)] }, /no public key/],
  ]
  for (const [content, message] of useless) {
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    t.throws(() => authenticator({ jwksFile: path }), { name: 'ConfigError', message })
    t.throws(() => authenticator({ jwksFile: path }), { message: /^(?!.*hunter2)/ })
  }
  writeFileSync(path, JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA' }, jwk] }))
  t.ok(await authenticator({ jwksFile: path }).verify(await bearer('ES256', ec.privateKey)))
})

t.test('without a key id every fitting key of the set is tried', async (t) => {
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

// ---- one key in a file ---------------------------------------------------------------------------------

t.test('a key is replaced with its file', async (t) => {
  const path = keyFile(pem(ec.publicKey))
  const replace = (text: string) => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
  const clock = new Clock()
  const log = new Log()
  const auth = authenticator({ keyFile: path }, clock, log.logger)
  t.ok(await auth.verify(await newToken()))
  replace(pem(otherEc.publicKey))
  clock.nowMs += 1000
  t.ok(await auth.verify(await newToken(otherEc.privateKey)))
  await refuses(t, auth.verify(await newToken()), 'invalid', /signature/)

  replace(pem(rsa.publicKey))
  clock.nowMs += 1000
  t.ok(await auth.verify(await newToken(otherEc.privateKey)), 'one of another kind is not taken')
  rmSync(path)
  clock.nowMs += 120 * MINUTE_MS
  t.ok(await auth.verify(await newToken(otherEc.privateKey)), 'nor is it lost with its file')
  t.match(log.errors, [/cannot be read: the last good ones serve until they can$/])
})

t.test('a key may come from a pipe', { skip: process.platform === 'win32' }, async (t) => {
  const path = join(t.testdir({}), 'key')
  spawnSync('mkfifo', [path])
  const writer = spawn('sh', ['-c', `cat '${keyFile(pem(ec.publicKey))}' > '${path}'`])
  const ended = once(writer, 'close')
  const clock = new Clock()
  const auth = authenticator({ keyFile: path }, clock)
  await ended
  t.ok(await auth.verify(await newToken()))
  clock.nowMs += MINUTE_MS
  t.ok(await auth.verify(await newToken()), 'which is read once')
})

t.test('a configuration that cannot be meant is refused at the start', async (t) => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const privatePem = ec.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const refused: [Partial<AuthConfig>, RegExp][] = [
    [{ algorithms: ['none'] }, /"none" is not one of/],
    [{ algorithms: ['RS512'] }, /"RS512" is not one of/],
    [{ algorithms: ['HS256'], keyFile: keyFile('short') }, /32 bytes or more/],
    [
      { algorithms: ['RS256'], keyFile: keyFile(SECRET) },
      /CALLGATE_ALGORITHMS: accepts RS256, .* verifies HS256/,
    ],
    [{ algorithms: ['HS256'], keyFile: keyFile(`{"keys":[],"pad":"${SECRET}"}`) }, /is JSON/],
    [{ keyFile: keyFile(privatePem) }, /private key/],
    [{ keyFile: keyFile(pem(p384.publicKey)) }, /EC on P-256/],
    [{ keyFile: keyFile(pem(weak.publicKey)) }, /2048 bits/],
    [{ keyFile: keyFile(pem(ec.publicKey)), jwksFile: 'x' }, /only one of/],
    [{ keyFile: 'no.pem' }, /ENOENT/],
    [{ algorithms: ['HS256'] }, /CALLGATE_ALGORITHMS: HS256 needs .* CALLGATE_JWT_KEY_FILE/],
  ]
  for (const [config, message] of refused) t.throws(() => authenticator(config), { message })
  const faulty = { keyFile: keyFile(privatePem) }
  t.throws(() => authenticator(faulty), { name: 'ConfigError' }, 'by the name of the variable')
})
