import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { connect } from '../../client/client.js'
import { startConfiguredNats } from '../support/configured-nats.js'
import { folderWith } from '../support/folder.js'
import { runCommand, startCommand } from './command.js'

const HELLO = `import { defineFunction } from 'callgate'; export default defineFunction({ run: () => 1 })`

t.test('a server that asks for a user and a password', async (t) => {
  const folder = folderWith(t, { 'hello.js': HELLO })
  const address = await startConfiguredNats(
    t,
    folder,
    `jetstream { store_dir: ${JSON.stringify(folder)} }
     authorization { users: [ { user: "ann", password: "p@ss:w" } ] }`,
  )
  const deploy = (args: string[], env: Record<string, string>) =>
    runCommand(['deploy', 'hello.js', ...args], { cwd: folder, env })

  const url = { CALLGATE_NATS_URL: `nats://${address}` }
  const user = { CALLGATE_NATS_USER: 'ann', CALLGATE_NATS_PASSWORD: 'p@ss:w' }
  const [byFlag, byUrl, wrong] = await Promise.all([
    deploy(['--nats-user', 'ann'], { ...url, ...user, CALLGATE_NATS_USER: 'bob' }),
    deploy(['--nats-url', `nats://ann:p%40ss%3Aw@${address}`], {}),
    deploy([], { ...url, ...user, CALLGATE_NATS_PASSWORD: 'wrong' }),
  ])
  t.equal(byFlag.status, 0, 'let in by its environment and by a flag, which wins')
  t.equal(byUrl.status, 0, 'let in by its address')
  t.equal(wrong.status, 1)
  t.match(
    wrong.stderr,
    /^callgate: NATS at nats:\/\/127\S+ refuses us \(\S.*\)\. Set CALLGATE_NATS_USER .*\n$/,
  )
  const client = await connect({ natsUrl: address, natsUser: 'ann', natsPassword: 'p@ss:w' })
  await client.close()

  const cwd = folderWith(t, {})
  const dev = startCommand(t, ['dev', '.', '--nats-url', `ann:p@ss:w@${address}`], {
    cwd,
    env: { CALLGATE_PORT: '0', CALLGATE_ADMIN_PORT: '0' },
  })
  await dev.printed(new RegExp(`nats +${address}`))
  t.notMatch(dev.output, 'ss:w')
})

t.test('a password with digits is not taken for the port, nor half a % for a bug', async (t) => {
  const folder = folderWith(t, {})
  const address = await startConfiguredNats(
    t,
    folder,
    'authorization { users: [ { user: "ann", password: "42" } ] }',
  )
  await (await connect({ natsUrl: `nats://ann:42@${address}` })).close()
  await (await connect({ natsUrl: `ann:42@${address.replace('127.0.0.1', 'localhost')}` })).close()
  const half = await runCommand(['call', 'hello', '--nats-url', `nats://ann:4%@${address}`], {
    cwd: folder,
  })
  t.match(half, { status: 2, stderr: /CALLGATE_NATS_URL: a % .* write %25 for the % itself\n$/ })
})

t.test('a server that asks for a token', async (t) => {
  const folder = folderWith(t, {})
  const natsUrl = await startConfiguredNats(t, folder, 'authorization { token: "s3cret" }')
  await (await connect({ natsUrl, natsToken: 's3cret' })).close()
  await t.rejects(connect({ natsUrl, natsToken: 'guess' }), { name: 'NatsUnreachable' })
})

t.test('a server that asks for credentials of an account', async (t) => {
  const folder = folderWith(t, {})
  const { createOperator, createAccount, createUser } = nkeys()
  const [operator, account, user] = [createOperator(), createAccount(), createUser()]
  const accountJwt = jwt(operator, account, { type: 'account', version: 2, limits: UNLIMITED })
  const natsUrl = await startConfiguredNats(
    t,
    folder,
    `operator: ${jwt(operator, operator, { type: 'operator', version: 2 })}
     resolver: MEMORY
     resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
  )
  const userJwt = jwt(account, user, { type: 'user', version: 2, subs: -1, data: -1, payload: -1 })
  const seed = Buffer.from(user.getSeed()).toString()
  writeFileSync(
    join(folder, 'user.creds'),
    `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n
-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  )
  await (await connect({ natsUrl, natsCredsFile: join(folder, 'user.creds') })).close()
  await t.rejects(connect({ natsUrl }), { name: 'NatsUnreachable', message: /refuses us/ })
})

const noOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length === 0
  } catch {
    return 'this machine has no openssl'
  }
})()
t.test('a server that asks for TLS and a certificate', { skip: noOpenssl }, async (t) => {
  const folder = folderWith(t, {})
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const out = ['-keyout', key, '-out', cert]
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...out], { stdio: 'ignore' })
  const natsUrl = await startConfiguredNats(
    t,
    folder,
    `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${cert}", verify: true }`,
  )
  const files = { natsCaFile: cert, natsCertFile: cert, natsKeyFile: key }
  await (await connect({ natsUrl, ...files })).close()
  await (await connect({ natsUrl: `tls://${natsUrl}`, ...files })).close()
  await t.rejects(connect({ natsUrl }), { name: 'NatsUnreachable' }, 'it is not trusted unasked')
})

t.test('files that cannot be read are named, all at once', async (t) => {
  const folder = folderWith(t, {})
  const env = { CALLGATE_NATS_CREDS_FILE: 'no.creds', CALLGATE_NATS_CA_FILE: 'no.pem' }
  const { status, stderr } = await runCommand(['call', 'hello'], { cwd: folder, env })
  t.equal(status, 2)
  t.match(stderr, /CALLGATE_NATS_CREDS_FILE: ENOENT.*'no\.creds'\n.*CALLGATE_NATS_CA_FILE: ENOENT/)
})

t.test('files that are not what they should be are faults of the configuration', async (t) => {
  const secret = 'hunter2, but neither in PEM nor from nsc'
  const folder = folderWith(t, { secret })
  const env = Object.fromEntries(
    ['CREDS', 'CA', 'CERT', 'KEY'].map((file) => [`CALLGATE_NATS_${file}_FILE`, 'secret']),
  )
  const { status, stderr } = await runCommand(['traffic', 'embed'], { cwd: folder, env })
  t.equal(status, 2)
  t.match(
    stderr,
    /CREDS_FILE: secret is not a credentials file of NATS.*\n.*CA_FILE: secret is not a certificate in PEM\n.*CERT_FILE: secret is not .*\n.*KEY_FILE: secret is not a private key/,
  )
  t.notMatch(stderr, 'hunter2')
})

t.test('so are addresses that lead to no server', async (t) => {
  for (const natsUrl of ['foo://x', ',', '127.0.0.1:99999']) {
    const { status, stderr } = await runCommand(['gateway', '--nats-url', natsUrl], {
      cwd: folderWith(t, {}),
    })
    t.equal(status, 2)
    t.match(stderr, /^callgate: the configuration has faults:\n {2}CALLGATE_NATS_URL: must .*\n$/m)
  }
})

const UNLIMITED = {
  ...{ subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: -1 },
  wildcards: true,
}

interface Key {
  getPublicKey(): string
  getSeed(): Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

/** The client library's own; it does not hand them on. */
function nkeys(): Record<'createOperator' | 'createAccount' | 'createUser', () => Key> {
  const library = createRequire(import.meta.url).resolve('@nats-io/transport-node')
  return createRequire(library)('@nats-io/nkeys')
}

/** A JSON Web Token as NATS has it: signed with an nkey. */
function jwt(issuer: Key, subject: Key, nats: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: issuer.getPublicKey(), sub: subject.getPublicKey(), name: 'test', iat: 1 }
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...claims, jti: subject.getPublicKey(), nats })}`
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`
}
