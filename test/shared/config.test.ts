import t from 'tap'
import {
  ConfigError,
  flagName,
  gatewaySettings,
  logSettings,
  natsSettings,
  readConfig,
  runnerSettings,
  variableName,
} from '../../shared/config.js'

const ALL = { ...gatewaySettings, ...runnerSettings, ...natsSettings, ...logSettings }

t.test('with nothing set every setting has its default or is unset', (t) => {
  const config = readConfig(ALL, {}, {})
  t.match(config, {
    port: 8080,
    natsUrl: 'nats://127.0.0.1:4222',
    namespace: 'callgate',
    logLevel: 'info',
  })
  t.equal(config.natsPassword, undefined)
  t.end()
})

t.test('the variable counts, and the flag wins over it', (t) => {
  const environment = { CALLGATE_PORT: '9000', CALLGATE_HOST: 'a.example' }
  t.match(readConfig(ALL, {}, environment), { port: 9000, host: 'a.example' })
  t.match(readConfig(ALL, { port: '9001' }, environment), { port: 9001, host: 'a.example' })
  t.match(readConfig(ALL, { port: 0 }, environment), { port: 0 }, 'also a flag that is falsy')
  t.end()
})

t.test('a faulty variable does no harm where a flag wins over it', (t) => {
  t.match(readConfig(ALL, { port: '9001' }, { CALLGATE_PORT: 'x' }), { port: 9001 })
  t.end()
})

t.test('an empty variable is an unset one', (t) => {
  t.match(readConfig(ALL, {}, { CALLGATE_PORT: '', CALLGATE_NATS_USER: '' }), { port: 8080 })
  t.end()
})

t.test('variables of other programs are left alone', (t) => {
  t.match(readConfig(ALL, {}, { PORT: '1', HOST: 'x', NATS_URL: 'y' }), {
    port: 8080,
    host: '0.0.0.0',
  })
  t.end()
})

t.test('every fault is reported at once, under the name that the user wrote', (t) => {
  const flags = { port: '70000', drainMs: '-1' }
  const environment = {
    CALLGATE_LOG_LEVEL: 'loud',
    CALLGATE_NAMESPACE: 'a.b',
    CALLGATE_ALGORITHMS: 'none',
    CALLGATE_DRAIN_MS: '5',
  }
  const error = caught(() => readConfig(ALL, flags, environment))
  const names = error.faults.map((fault) => fault.slice(0, fault.indexOf(':')))
  t.same(
    new Set(names),
    new Set([
      '--port',
      '--drain-ms',
      'CALLGATE_LOG_LEVEL',
      'CALLGATE_NAMESPACE',
      'CALLGATE_ALGORITHMS',
    ]),
  )
  for (const fault of error.faults) t.match(fault, /: \S/, 'each says what is wrong')
  t.equal(error.message, error.faults.join('\n'))
  t.end()
})

const REFUSED: Record<string, string[]> = {
  CALLGATE_PORT: ['-1', '65536', '80.5', 'http', 'NaN', 'Infinity', ' '],
  CALLGATE_QUEUE_WAIT_MS: ['0', '-5', '1.5', '2147483648', '1s'],
  CALLGATE_CREDIT_BYTES: ['0', '-1', '32MiB'],
  CALLGATE_MAX_QUEUED: ['-1', '1.5'],
  CALLGATE_MAX_HEADER_BYTES: ['1', '60', '80', '1023', '1048577'],
  CALLGATE_REGISTRY_REPLICAS: ['0', '6'],
  CALLGATE_JWKS_URL: [
    'example',
    '/keys',
    'file:///keys',
    'ftp://id.example',
    'http://ann@id.example',
  ],
  CALLGATE_CORS_ORIGINS: [
    'null',
    'app.example.com',
    'https://app.example.com/',
    'https://App.example.com',
    'https://app.example.com:443',
    'https://*',
    'https://app.*.com',
    'https://*app.example.com',
    'https://app.example.com,*.example.com',
  ],
  CALLGATE_ALGORITHMS: ['HS512', 'ES256,none', ','],
  // An empty list would switch the check of `aud` off.
  CALLGATE_AUDIENCE: [',', ' , '],
}

for (const [variable, values] of Object.entries(REFUSED)) {
  for (const value of values) {
    t.test(`${variable}=${JSON.stringify(value)} is a fault`, (t) => {
      const error = caught(() => readConfig(ALL, {}, { [variable]: value }))
      t.equal(error.faults?.length, 1)
      t.ok(error.message.startsWith(`${variable}: `), error.message)
      t.end()
    })
  }
}

t.test('origins of pages are taken as browsers write them', (t) => {
  const origins = [
    'https://app.example.com',
    'http://localhost:5173',
    'http://[::1]:3000',
    'https://*.example.com',
    'https://*.example.com:8443',
    'capacitor://localhost',
    '*',
  ]
  const { corsOrigins } = readConfig(ALL, {}, { CALLGATE_CORS_ORIGINS: origins.join(', ') })
  t.same(corsOrigins, origins)
  t.equal(readConfig(ALL, {}, {}).corsOrigins, undefined)
  t.end()
})

// It was taken, and the first token then had the log repeat it with every attempt to get the keys.
t.test('a secret in the address of the keys is refused and not repeated', (t) => {
  const address = 'https://ann:hunter2@id.example/keys?key=hunter2'
  const { message } = caught(() => readConfig(ALL, {}, { CALLGATE_JWKS_URL: address }))
  t.equal(message, 'CALLGATE_JWKS_URL: must be an http or https URL without a user and a password')
  const withQuery = 'https://id.example/keys?key=hunter2'
  t.equal(readConfig(ALL, { jwksUrl: withQuery }, {}).jwksUrl, withQuery)
  t.end()
})

t.test('an empty flag is a fault, or an unset one, but not a zero', (t) => {
  let port: unknown = 8080
  try {
    port = readConfig(ALL, { port: '' }, {}).port
  } catch {}
  t.equal(port, 8080)
  t.end()
})

t.test('lists are split at commas, without white space and empty items', (t) => {
  t.match(readConfig(ALL, {}, { CALLGATE_AUDIENCE: ' a, b,,c ' }), { audience: ['a', 'b', 'c'] })
  t.match(readConfig(ALL, {}, { CALLGATE_ALGORITHMS: 'HS256' }), { algorithms: ['HS256'] })
  t.end()
})

t.test('a configuration cannot be changed', (t) => {
  const config = readConfig(ALL, {}, {}) as { port: number }
  t.throws(() => {
    config.port = 1
  }, TypeError)
  t.end()
})

t.test('a setting has one name in each place', (t) => {
  t.equal(variableName('natsUrl'), 'CALLGATE_NATS_URL')
  t.equal(flagName('natsUrl'), 'nats-url')
  t.equal(variableName('port'), 'CALLGATE_PORT')
  t.equal(flagName('maxHeaderBytes'), 'max-header-bytes')
  const names = Object.keys(ALL)
  t.equal(new Set(names.map(variableName)).size, names.length, 'no two share a variable')
  t.end()
})

t.test('every setting says what it is for', (t) => {
  for (const [name, schema] of Object.entries(ALL)) t.ok(schema.description, name)
  t.end()
})

function caught(read: () => unknown): ConfigError {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('Nothing was refused.')
}
