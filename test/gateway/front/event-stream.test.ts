import { mock } from 'node:test'
import t from 'tap'
import { EventStream } from '../../../gateway/front/event-stream.js'
import type { ResponseWriter } from '../../../gateway/front/response-writer.js'

const PING_MS = 1_000
const PING = ': ping\n\n'

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }))
t.afterEach(() => mock.timers.reset())

/** What the client has of it, the function's bytes and the gateway's. */
function startStream(pingMs: number | null = PING_MS) {
  const stream = {
    text: '',
    write(text: string) {
      stream.text += text
      events.onWritten(Buffer.from(text))
    },
  }
  const writer = {
    insert: (text: string) => {
      stream.text += text
    },
  } as ResponseWriter
  const events = new EventStream(writer, pingMs)
  return { stream, events }
}

t.test('a stream of events is told by its content-type, among all headers', async (t) => {
  t.ok(EventStream.isOne(['content-type', 'text/event-stream']))
  t.ok(EventStream.isOne(['x-a', '1', 'content-type', 'text/event-stream; charset=utf-8']))
  t.notOk(EventStream.isOne(['content-type', 'application/json']))
  t.notOk(EventStream.isOne(['x-a', 'text/event-stream']))
  t.notOk(EventStream.isOne([]))
})

t.test('also where another header has the name for its value', async (t) => {
  // `vary: content-type` hid it: the first place of the text was looked at, and it was a value's.
  t.ok(EventStream.isOne(['vary', 'content-type', 'content-type', 'text/event-stream']))
})

t.test('not one that the function has compressed', async (t) => {
  // A comment in plain text among compressed bytes made the whole stream unreadable.
  const type = ['content-type', 'text/event-stream'] as const
  t.notOk(EventStream.isOne([...type, 'content-encoding', 'gzip']))
  t.ok(EventStream.isOne([...type, 'content-encoding', 'identity']))
})

t.test('names of media types know no case', async (t) => {
  t.ok(EventStream.isOne(['content-type', 'Text/Event-Stream']))
})

t.test('silence gets a comment, once for each interval', async (t) => {
  const { stream } = startStream()
  // Somewhere between two looks.
  mock.timers.tick(PING_MS / 8)
  stream.write('data: 1\n\n')
  mock.timers.tick(PING_MS * 0.8)
  t.equal(stream.text, 'data: 1\n\n')
  mock.timers.tick(PING_MS * 0.2)
  t.equal(stream.text, `data: 1\n\n${PING}`, 'and not twice as late')
  mock.timers.tick(PING_MS * 3)
  t.equal(stream.text, `data: 1\n\n${PING.repeat(4)}`)
})

t.test('before the first event as well', async (t) => {
  const { stream } = startStream()
  mock.timers.tick(PING_MS)
  t.equal(stream.text, PING)
})

t.test('a stream that says something gets none', async (t) => {
  const { stream } = startStream()
  for (let round = 0; round < 5; round++) {
    stream.write('data: 1\n\n')
    mock.timers.tick(PING_MS * 0.7)
  }
  t.notMatch(stream.text, PING)
})

t.test('no comment comes into the middle of an event, however it is cut', async (t) => {
  const events = [
    'data: 1\n\n',
    'data: 1\r\n\r\n',
    'data: 1\r\r',
    'event: x\ndata: 1\n\n',
    'event: x\rdata: 1\r\r',
  ]
  for (const event of events) {
    for (let at = 1; at < event.length; at++) {
      const { stream } = startStream()
      stream.write(event.slice(0, at))
      mock.timers.tick(PING_MS * 3)
      stream.write(event.slice(at))
      mock.timers.tick(PING_MS * 3)
      const [beginning, rest] = [
        stream.text.slice(0, event.length),
        stream.text.slice(event.length),
      ]
      t.equal(beginning, event, JSON.stringify([event, at]))
      t.match(rest, PING, JSON.stringify([event, at]))
      mock.timers.reset()
      mock.timers.enable({ apis: ['setInterval'] })
    }
  }
})

t.test('bytes one by one are read as well as all at once', async (t) => {
  const { stream } = startStream()
  for (const character of 'data: 1\r\n\r\n') stream.write(character)
  mock.timers.tick(PING_MS)
  t.equal(stream.text, `data: 1\r\n\r\n${PING}`)
})

t.test('without an interval there are no comments', async (t) => {
  const { stream } = startStream(null)
  mock.timers.tick(PING_MS * 100)
  t.equal(stream.text, '')
})

t.test('a failure is an event of its own, and the last one', async (t) => {
  const problem = { status: 504, headers: [], body: '{"code":"timed_out"}' }
  const failure = 'event: error\ndata: {"code":"timed_out"}\n\n'
  for (const [before, expected] of [
    ['', failure],
    ['data: 1\n\n', `data: 1\n\n${failure}`],
    ['data: 1\r\n\r\n', `data: 1\r\n\r\n${failure}`],
  ] as const) {
    const { stream, events } = startStream()
    if (before !== '') stream.write(before)
    events.fail(problem)
    t.equal(stream.text, expected)
    mock.timers.tick(PING_MS * 5)
    t.equal(stream.text, expected)
  }
})

t.test('half an event is not made a whole one by the failure behind it', async (t) => {
  // The blank line before `event: error` ended it: the client was given the half as if it were all.
  for (const half of ['data: {"te', 'data: {"text":"a"}\n', 'event: x\n']) {
    const { stream, events } = startStream()
    stream.write(half)
    events.fail({ status: 504, headers: [], body: '{"code":"timed_out"}' })
    t.equal(stream.text, half)
  }
})

t.test('stopped, it says nothing', async (t) => {
  const { stream, events } = startStream()
  events.stop()
  mock.timers.tick(PING_MS * 5)
  t.equal(stream.text, '')
})
