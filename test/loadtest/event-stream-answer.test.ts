import { test } from 'tap'
import { EventStreamAnswer } from '../../loadtest/generators/event-stream-answer.js'

const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const CHUNKS = ['data:', ' a\n\n: ping\n\ndata: ', 'b\n\n', '']
const ANSWER = `${HEAD}${CHUNKS.map((it) => `${it.length.toString(16)}\r\n${it}\r\n`).join('')}`

function read(pieces: readonly string[]) {
  const events: string[] = []
  const answer = new EventStreamAnswer((event) => events.push(event))
  for (const piece of pieces) answer.push(Buffer.from(piece))
  return { answer, events }
}

test('the events are the same wherever the bytes are cut, and comments are none', (t) => {
  for (let at = 0; at <= ANSWER.length; at += 1) {
    const { answer, events } = read([ANSWER.slice(0, at), ANSWER.slice(at)])
    t.same(events, ['data: a', 'data: b'], `cut at ${at}`)
    t.equal(answer.status, 200)
    t.ok(answer.hasEnded)
  }
  t.same(read(ANSWER.split('')).events, ['data: a', 'data: b'])
  t.end()
})

test('a stream that breaks off has not ended, whatever was read of it', (t) => {
  const { answer, events } = read([ANSWER.slice(0, -2)])
  t.same(events, ['data: a', 'data: b'])
  t.notOk(answer.hasEnded)
  t.notOk(answer.isOver)
  t.end()
})

test('half an event at the end is no end', (t) => {
  const { answer, events } = read([`${HEAD}6\r\ndata: \r\n0\r\n\r\n`])
  t.same(events, [])
  t.ok(answer.isOver)
  t.notOk(answer.hasEnded)
  t.end()
})

test('a chunk that is not what its length says, and a body without chunks, are broken', (t) => {
  for (const text of [`${HEAD}2\r\nabc\r\n`, `${HEAD}x\r\n`, 'HTTP/1.1 503 No\r\n\r\n']) {
    const { answer } = read([text])
    t.ok(answer.isOver)
    t.notOk(answer.hasEnded)
  }
  t.end()
})
