import t from 'tap'
import { newPeerId, subjectsIn, TOKEN } from '../../shared/subjects.js'

for (const namespace of ['callgate', 'c', 'team-a_2', 'x'.repeat(64)]) {
  const subjects = subjectsIn(namespace)

  t.test(`subjects of "${namespace}" are read as they were built`, (t) => {
    const runner = newPeerId()
    const caller = newPeerId()
    t.equal(subjects.sender(subjects.toRunner(runner, caller)), caller)
    t.equal(subjects.sender(subjects.toCaller(caller, runner)), runner)
    t.equal(subjects.messageNumber(subjects.toCaller(caller, runner)), -1)
    for (const number of [0, 9, 10, 4_294_967_296]) {
      const replyTo = `${subjects.toCaller(caller, runner)}.${number}`
      t.equal(subjects.sender(replyTo), runner)
      t.equal(subjects.messageNumber(replyTo), number)
    }
    t.end()
  })

  t.test(`inboxes of "${namespace}" hear their own messages and nobody else's`, (t) => {
    const own = subjects.toRunner('r1', 'c1')
    t.ok(matches(subjects.runnerInbox('r1'), own))
    t.notOk(matches(subjects.runnerInbox('r2'), own))
    t.notOk(matches(subjects.callerInbox('r1'), own))
    t.ok(matches(subjects.callerInbox('c1'), subjects.toCaller('c1', 'r1')))
    t.ok(matches(subjects.callerInbox('c1'), `${subjects.toCaller('c1', 'r1')}.7`), 'no responders')
    t.notOk(matches(subjects.callerInbox('c2'), subjects.toCaller('c1', 'r1')))
    t.ok(matches(subjects.announcements, subjects.announce('embed', 'r1')))
    t.notOk(matches(subjects.announcements, subjects.discover))
    t.notOk(matches(subjects.announcements, own))
    t.end()
  })
}

t.test('no subject of one namespace is heard in another', (t) => {
  const one = subjectsIn('one')
  const two = subjectsIn('two')
  for (const subject of [
    one.toRunner('r', 'c'),
    one.toCaller('c', 'r'),
    one.announce('f', 'r'),
    one.discover,
  ]) {
    for (const heard of [
      two.runnerInbox('r'),
      two.callerInbox('c'),
      two.announcements,
      two.discover,
    ]) {
      t.notOk(matches(heard, subject), `${subject} in ${heard}`)
    }
  }
  t.not(one.registryBucket, two.registryBucket)
  t.end()
})

t.test('the subjects are those of PROTOCOL.md', (t) => {
  const subjects = subjectsIn('callgate')
  t.equal(subjects.toRunner('R', 'C'), 'callgate.runner.R.C')
  t.equal(subjects.runnerInbox('R'), 'callgate.runner.R.*')
  t.equal(subjects.toCaller('C', 'R'), 'callgate.caller.C.R')
  t.equal(subjects.callerInbox('C'), 'callgate.caller.C.>')
  t.equal(subjects.announce('embed', 'R'), 'callgate.announce.embed.R')
  t.equal(subjects.discover, 'callgate.discover')
  t.end()
})

t.test('a namespace is one token', (t) => {
  for (const namespace of ['', 'a.b', 'a b', '*', '>', 'a\n', 'é', 'x'.repeat(65)]) {
    t.throws(() => subjectsIn(namespace), TypeError, JSON.stringify(namespace))
  }
  t.end()
})

t.test('every peer has an id of its own, which is one token of 12 characters', (t) => {
  const ids = new Set(Array.from({ length: 10_000 }, newPeerId))
  t.equal(ids.size, 10_000)
  for (const id of ids) if (id.length !== 12 || !TOKEN.test(id)) return t.fail(id)
  t.end()
})

/** NATS's own rule. */
function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.')
  const tokens = subject.split('.')
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index
    if (token !== '*' && token !== tokens[index]) return false
  }
  return wanted.length === tokens.length
}
