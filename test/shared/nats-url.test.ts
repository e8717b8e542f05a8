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

t.test('a % that is no character is a fault of the configuration', (t) => {
  t.throws(() => readNatsUrl('nats://ann:100%@host'), ConfigError)
  t.throws(() => readNatsUrl('nats://ann:100%@host'), { message: /CALLGATE_NATS_URL.*write %25/ })
  t.equal(readNatsUrl('nats://ann:100%25@host').password, '100%')
  t.end()
})
