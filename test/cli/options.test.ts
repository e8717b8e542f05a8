import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import t from 'tap'
import { readDevConfig } from '../../cli/dev/dev-config.js'
import type { ConfigError } from '../../shared/config.js'
import { folderWith } from '../support/folder.js'
import { runCommand } from './command.js'

t.jobs = 2

t.test(
  'every fault of a configuration is reported at once, by the name that was written',
  async (t) => {
    const env = { CALLGATE_ADMIN_PORT: '99999', CALLGATE_LOG_LEVEL: 'loud', CALLGATE_ISSUER: '' }
    const args = ['gateway', '--port', 'http', '--algorithms', 'none', '--nats-url', '']
    const { status, stdout, stderr } = await runCommand(args, { cwd: folderWith(t, {}), env })
    t.same({ status, stdout }, { status: 2, stdout: '' })
    const lines = stderr.trimEnd().split('\n')
    t.equal(lines.shift(), 'callgate: the configuration has faults:')
    const names = lines.map((line) => /^ {2}(\S+): ./.exec(line)?.[1]).sort()
    t.same(names, [
      '--algorithms',
      '--nats-url',
      '--port',
      'CALLGATE_ADMIN_PORT',
      'CALLGATE_LOG_LEVEL',
    ])
  },
)

for (const args of [
  ['gateway', '--no-such-flag'],
  ['no-such-command'],
  ['deploy'],
  ['token'],
  ['call'],
  [],
]) {
  t.test(`a wrong command line is status 2: ${args.join(' ')}`, async (t) => {
    const { status, stdout, stderr } = await runCommand(args, { cwd: folderWith(t, {}) })
    t.same({ status, stdout }, { status: 2, stdout: '' })
    t.match(stderr, args.length === 0 ? /^Usage: callgate/ : /^error: .*\n$/)
  })
}

for (const args of [
  ['runner', 'missing.ts'],
  ['deploy', 'missing.ts'],
  ['dev', 'missing'],
  ['deploy', 'options.js', '--version', 'v1.2'],
  ['deploy', 'options.js', '--weight', 'much'],
  ['traffic', 'echo', 'v2'],
  ['call', 'echo', '{'],
]) {
  t.test(`what cannot be is status 2, in one sentence: ${args.join(' ')}`, async (t) => {
    const { status, stdout, stderr } = await runCommand(args, { cwd: folderWith(t, {}) })
    t.same({ status, stdout }, { status: 2, stdout: '' })
    t.match(stderr, /^callgate: .*\.\n$/)
  })
}

t.test('help says what each option is, its variable and its default', async (t) => {
  const cwd = folderWith(t, {})
  const [all, deploy, dev, version] = await Promise.all([
    runCommand(['--help'], { cwd }),
    runCommand(['deploy', '--help'], { cwd }),
    runCommand(['dev', '--help'], { cwd }),
    runCommand(['--version'], { cwd }),
  ])
  t.match(all, { status: 0, stderr: '' })
  for (const command of ['dev', 'gateway', 'runner', 'deploy', 'undeploy', 'call', 'token']) {
    t.match(all.stdout, new RegExp(`^  ${command} .*\\S`, 'm'))
  }
  // It said so of all of them.
  t.match(all.stdout, 'An option whose help names an environment variable can be set by that, too')
  t.match(deploy.stdout, /--nats-url <value> .*\s.*\(CALLGATE_NATS_URL\)/)
  t.notMatch(deploy.stdout, 'CALLGATE_WEIGHT')
  const text = dev.stdout.replaceAll(/\s+/g, ' ')
  t.match(text, 'address of the public port (CALLGATE_HOST) (default: 127.0.0.1)')
  t.match(text, '--log-format <json|pretty>')
  t.match(text, 'without it, dev starts its own (CALLGATE_NATS_URL)')
  t.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
})

t.test('a token is signed with the key of the state folder', async (t) => {
  const cwd = folderWith(t, {})
  const args = [
    '--sub',
    'ann',
    '--scope',
    'a b',
    '--ttl',
    '15m',
    '--issuer',
    'us',
    '--audience',
    'them',
  ]
  const env = { CALLGATE_STATE_DIR: 'elsewhere' }
  const { stdout } = await runCommand(['token', ...args, '--state-dir', 'state'], { cwd, env })
  const keys = createLocalJWKSet(JSON.parse(readFileSync(join(cwd, 'state/jwks.json'), 'utf8')))
  const { payload } = await jwtVerify(stdout.trim(), keys, { issuer: 'us', audience: 'them' })
  t.match(payload, { sub: 'ann', scope: 'a b' })
  t.equal(payload.exp! - decodeJwt(stdout.trim()).iat!, 15 * 60)

  const wrong = await runCommand(['token', '--sub', 'ann', '--ttl', 'soon'], { cwd })
  t.match(wrong, { status: 2, stderr: /--ttl: soon is no duration/ })
  const twice = await runCommand(['token', '--sub', 'ann', '--claim', 'exp=1'], { cwd })
  t.match(twice, { status: 2, stderr: /--claim: exp is set by --ttl/ })
})

t.test("dev's own key needs its algorithm, unless the user has keys", async (t) => {
  const rs256 = { CALLGATE_ALGORITHMS: 'RS256' }
  const faultsOf = (flags: Record<string, string>, environment: Record<string, string>) => {
    try {
      readDevConfig(flags, environment)
      return []
    } catch (error) {
      return (error as ConfigError).faults
    }
  }
  t.match(faultsOf({}, rs256), [/^CALLGATE_ALGORITHMS: must include ES256/])
  t.match(faultsOf({ algorithms: 'EdDSA' }, rs256), [/^--algorithms: must include ES256/])
  t.same(faultsOf({ algorithms: 'ES256,RS256' }, rs256), [])
  t.same(faultsOf({}, { ...rs256, CALLGATE_JWKS_FILE: 'mine.json' }), [])
  const config = readDevConfig({ jwksUrl: 'https://id.example/keys' }, { CALLGATE_HOST: '::1' })
  t.match(config, { hasOwnKeys: true, host: '::1', logFormat: 'pretty', natsUrl: undefined })
})
