import t from 'tap'
import { decodeAnnouncement, encodeAnnouncement } from '../../shared/announcement.js'

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

t.test('bytes that are no JSON are not read', (t) => {
  for (const bytes of ['', '{', '\u0000', 'hello'])
    t.equal(decodeAnnouncement(Buffer.from(bytes)), null)
  t.equal(decodeAnnouncement(Buffer.from('ff00fe', 'hex')), null)
  t.end()
})

function read(value: unknown): unknown {
  return decodeAnnouncement(Buffer.from(JSON.stringify(value)))
}
