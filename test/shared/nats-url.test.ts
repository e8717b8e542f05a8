import t from 'tap'
import { ConfigError } from '../../shared/config.js'
import { readNatsUrl, redacted } from '../../shared/nats-url.js'

t.test('a user and a password are read in every way in which they may stand there', (t) => {
  const ann = { user: 'ann', password: 'p@ss:w' }
  t.match(readNatsUrl('nats://ann:p%40ss%3Aw@host:4222'), { ...ann, servers: ['nats://host:4222'] })
  t.match(readNatsUrl('ann:p@ss:w@host'), { ...ann, scheme: undefined, servers: ['host'] })
  t.match(readNatsUrl('tls://host'), { scheme: 'tls', user: undefined, servers: ['tls://host'] })
  t.match(readNatsUrl('::1, ann:42@[::1]:4222'), {
    user: undefined,
    servers: ['::1', '[::1]:4222'],
  })
  t.end()
})

t.test('no user and no password is printed', (t) => {
  for (const [natsUrl, text] of [
    ['nats://ann:hunter2@host:4222', 'nats://host:4222'],
    ['ann:hunter2@host:4222', 'host:4222'],
    ['nats://hunter2@host', 'nats://host'],
    ['nats://one, ann:hunter2@two:1,nats://ann:hunter2@[::1]:1', 'nats://one,two:1,nats://[::1]:1'],
    ['nats://ann:hunter2/@hunter2@host', 'nats://host'],
    ['nats://ann:hunter2,hunter2@host', '…,host'],
    ['127.0.0.1:4222', '127.0.0.1:4222'],
    ['::1', '::1'],
  ] as const) {
    t.equal(redacted(natsUrl), text, natsUrl)
  }
  t.end()
})

t.test('what is no address of servers is a fault, which repeats nothing of it', (t) => {
  const FAULTS: Record<string, RegExp> = {
    'foo://hunter2': /begin with nats:\/\/ or tls:\/\//,
    'http://hunter2:4222': /begin with/,
    ',': /servers like/,
    'nats://': /servers like/,
    'nats://ann:hunter2@': /servers like/,
    'host:hunter2': /servers like/,
    'nats://ann:hun,ter2@host': /write %2C/,
    'nats://host/hunter2': /servers like/,
    'hun ter2': /servers like/,
    '[::hunter2]:1': /servers like/,
    '1:2:3': /servers like/,
    'host:99999': /ports from 1/,
    'one,nats://two:0': /ports from 1/,
  }
  for (const [natsUrl, message] of Object.entries(FAULTS)) {
    t.throws(() => readNatsUrl(natsUrl), { name: 'ConfigError', message }, natsUrl)
    t.throws(
      () => readNatsUrl(natsUrl),
      { message: /^CALLGATE_NATS_URL: (?!.*hun)[^\n]*$/ },
      natsUrl,
    )
  }
  t.end()
})

t.test('commas too many, capitals and an ending slash do no harm', (t) => {
  const { servers, scheme } = readNatsUrl('NATS://my_host-1.example/, ,[::1]:1,münchen.example')
  t.same(servers, ['nats://my_host-1.example/', '[::1]:1', 'münchen.example'])
  t.equal(scheme, 'nats')
  t.end()
})

t.test('a % that is no character is a fault of the configuration', (t) => {
  t.throws(() => readNatsUrl('nats://ann:100%@host'), ConfigError)
  t.throws(() => readNatsUrl('nats://ann:100%@host'), { message: /CALLGATE_NATS_URL.*write %25/ })
  t.equal(readNatsUrl('nats://ann:100%25@host').password, '100%')
  t.end()
})
