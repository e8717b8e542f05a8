import { errors } from '@nats-io/transport-node'
import t from 'tap'
import { connectFault, natsFault, ToldFaults } from '../../shared/nats-faults.js'

t.test('a permission that is missing is named, for all ids at once', (t) => {
  const fault = natsFault(
    new errors.PermissionViolationError('no', 'publish', 'callgate.runner.AbC.dEf', undefined),
  )
  t.match(fault.sentence, /publish on callgate\.runner\.AbC\.dEf/)
  t.match(fault.sentence, /permission to publish on callgate\.runner\.>/)
  const other = new errors.PermissionViolationError('no', 'publish', 'callgate.runner.x.y')
  t.equal(natsFault(other).key, fault.key)
  const heard = new errors.PermissionViolationError('no', 'subscription', 'callgate.discover')
  t.match(natsFault(heard).sentence, /permission to subscribe to callgate\.discover;/)
  t.end()
})

// To publish on $JS.API.> was advised: to read, change and delete every stream of the account.
t.test('of JetStream no more is asked for than the table of SECURITY.md has', (t) => {
  const asked: Record<string, string> = {
    '$JS.API.INFO': '$JS.API.INFO',
    '$JS.API.STREAM.INFO.KV_callgate_functions': '$JS.API.STREAM.INFO.KV_callgate_functions',
    '$JS.API.CONSUMER.CREATE.KV_callgate_functions.oc_x_1.$KV.callgate_functions.>':
      '$JS.API.CONSUMER.*.KV_callgate_functions.>',
    '$JS.API.DIRECT.GET.KV_callgate_functions.$KV.callgate_functions.embed':
      '$JS.API.DIRECT.GET.KV_callgate_functions.>',
    '$JS.FC.KV_callgate_functions.oc_x_1.y': '$JS.FC.KV_callgate_functions.>',
    '$KV.callgate_functions._traffic.embed': '$KV.callgate_functions.>',
    '_INBOX.A4NkpLFqP88PqPF9112Jqa.*': '_INBOX.>',
  }
  for (const [subject, pattern] of Object.entries(asked)) {
    const error = new errors.PermissionViolationError('no', 'publish', subject)
    t.ok(natsFault(error).sentence.includes(` permission to publish on ${pattern};`), subject)
  }
  t.end()
})

const ADVICE: Record<string, RegExp> = {
  'Slow Consumer': /max_pending/,
  'Maximum Payload Violation': /max_payload/,
  'maximum connections exceeded': /max_connections/,
  'maximum subscriptions exceeded': /max_subscriptions/,
  'Authorization Violation': /CALLGATE_NATS_USER/,
  'User Authentication Expired': /CALLGATE_NATS_CREDS_FILE/,
  'Stale Connection': /starved/,
  'something new': /log of nats-server/,
}
for (const [message, advice] of Object.entries(ADVICE)) {
  t.test(`${message} comes with what to do about it`, (t) => {
    t.match(natsFault(new errors.ProtocolError(message)).sentence, advice)
    t.end()
  })
}

t.test('why NATS cannot be reached is one line, with advice where it is a certificate', (t) => {
  const expired = connectFault(new Error('certificate has\n expired'))
  t.match(expired.sentence, /\(certificate has expired\): trying on\. Look at the certificates/)
  t.equal(expired.level, 'error')
  const cause = new Error('connect ECONNREFUSED 127.0.0.1:4222')
  t.match(connectFault(new Error('Connection refused', { cause })), {
    level: 'warn',
    sentence:
      'NATS cannot be reached again (connection refused: connect ECONNREFUSED 127.0.0.1:4222): trying on.',
  })
  t.end()
})

t.test('a fault is told once, and again when all are forgotten', (t) => {
  const told = new ToldFaults()
  const fault = { key: 'a', sentence: 'A.', level: 'error' } as const
  t.ok(told.isNew(fault))
  t.notOk(told.isNew({ ...fault, sentence: 'B.' }))
  t.ok(told.isNew({ ...fault, key: 'b', sentence: 'B.' }))
  told.forget()
  t.ok(told.isNew(fault))
  t.end()
})
