import t from 'tap'
import {
  decodeAnnouncement,
  encodeAnnouncement,
  failureReason,
  isSameProcess,
  supersedes,
} from '../../shared/announcement.js'

const ANNOUNCEMENT = {
  protocol: 1,
  runner: 'AbCdEfGh-_01',
  function: 'embed',
  version: 'v2',
  state: 'ready' as const,
  slots: 8,
  busyBy: { caller1: 2, caller2: 1 },
  host: 'gpu-1',
  pid: 123,
  startedAt: '2025-01-01T00:00:00.000Z',
}

t.test('an announcement is read as it was written, and anybody can read it', (t) => {
  const payload = encodeAnnouncement(ANNOUNCEMENT)
  t.same(decodeAnnouncement(payload), ANNOUNCEMENT)
  t.same(JSON.parse(Buffer.from(payload).toString('utf8')), ANNOUNCEMENT)
  t.end()
})

t.test('a runner that announces more than we know is understood', (t) => {
  t.match(read({ ...ANNOUNCEMENT, mood: 'fine' }), ANNOUNCEMENT)
  t.end()
})

t.test('another protocol is told by its number, whatever else it says', (t) => {
  t.equal(read({ ...ANNOUNCEMENT, protocol: 2 }), 2)
  t.equal(read({ protocol: 7 }), 7)
  t.equal(read({ protocol: 0 }), 0)
  t.end()
})

const UNREADABLE: Record<string, unknown> = {
  nil: null,
  'a number': 1,
  'a list': [],
  'no protocol': { ...ANNOUNCEMENT, protocol: undefined },
  'a protocol as text': { ...ANNOUNCEMENT, protocol: '1' },
  'a runner of two tokens': { ...ANNOUNCEMENT, runner: 'a.b' },
  'a runner that is a wildcard': { ...ANNOUNCEMENT, runner: '*' },
  'no runner': { ...ANNOUNCEMENT, runner: undefined },
  'a function of two tokens': { ...ANNOUNCEMENT, function: 'a.b' },
  'an unknown state': { ...ANNOUNCEMENT, state: 'tired' },
  'a reason of another kind': { ...ANNOUNCEMENT, reason: { code: 'tired', message: '' } },
  'a reason without an end': {
    ...ANNOUNCEMENT,
    reason: { code: 'load_failed', message: 'x'.repeat(2_001) },
  },
  'a beginning that is no time': { ...ANNOUNCEMENT, startedAt: 'yesterday' },
  'more slots than a function may have': { ...ANNOUNCEMENT, slots: 10_001 },
  'negative slots': { ...ANNOUNCEMENT, slots: -1 },
  'fractional slots': { ...ANNOUNCEMENT, slots: 0.5 },
  'slots as text': { ...ANNOUNCEMENT, slots: '8' },
  'a negative load': { ...ANNOUNCEMENT, busyBy: { a: -1 } },
  'a load that is a number': { ...ANNOUNCEMENT, busyBy: 3 },
}

for (const [name, value] of Object.entries(UNREADABLE)) {
  t.test(`an announcement with ${name} is not read`, (t) => {
    t.equal(read(value), null)
    t.end()
  })
}

t.test('one that loads says for how long at most, one that has failed says why', (t) => {
  const loading = { ...ANNOUNCEMENT, state: 'loading' as const, loadTimeoutMs: null }
  t.same(read(loading), loading)
  const reason = failureReason('load_failed', 'No GPU.')
  const failed = { ...ANNOUNCEMENT, state: 'failed' as const, reason }
  t.same(read(failed), failed)
  const long = failureReason('load_failed', 'x'.repeat(100_000))
  t.match(long.message, /^x{1999}…$/)
  t.not(read({ ...failed, reason: long }), null)
  t.end()
})

t.test('of two processes with one id exactly one has it, and both agree', (t) => {
  const at = (startedAt: string, host: string, pid: number) => ({ startedAt, host, pid })
  const older = at('2025-01-01T00:00:00.000Z', 'b', 9)
  const newer = at('2025-01-01T00:00:00.001Z', 'a', 1)
  const otherHost = at('2025-01-01T00:00:00.000Z', 'c', 1)
  const otherPid = at('2025-01-01T00:00:00.000Z', 'b', 10)
  for (const winner of [newer, otherHost, otherPid]) {
    t.ok(supersedes(winner, older))
    t.notOk(supersedes(older, winner))
    t.notOk(isSameProcess(winner, older))
  }
  t.ok(isSameProcess(older, { ...older }))
  t.notOk(supersedes(older, { ...older }))
  t.ok(supersedes(at('2025-01-01T00:00:01Z', 'a', 1), older), 'with and without milliseconds')
  t.end()
})

t.test('bytes that are no JSON are not read', (t) => {
  for (const bytes of ['', '{', '\u0000', 'hello'])
    t.equal(decodeAnnouncement(Buffer.from(bytes)), null)
  t.equal(decodeAnnouncement(Buffer.from('ff00fe', 'hex')), null)
  t.end()
})

function read(value: unknown): unknown {
  return decodeAnnouncement(Buffer.from(JSON.stringify(value)))
}
