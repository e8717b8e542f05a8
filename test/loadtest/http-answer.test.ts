import { test } from 'tap'
import { HttpAnswer } from '../../loadtest/clients/http-answer.js'

function answerOf(text: string, pieceBytes = text.length): HttpAnswer {
  const answer = new HttpAnswer()
  for (let at = 0; at < text.length; at += pieceBytes) {
    answer.push(Buffer.from(text.slice(at, at + pieceBytes)))
  }
  return answer
}

const PLAIN = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Call-Id: 7\r\n\r\nhello'
const CHUNKED =
  'HTTP/1.1 201 Made\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n, everyone\r\n0\r\n\r\n'

test('whole answers, however they are cut into pieces', (t) => {
  for (const pieceBytes of [1, 2, 7, 1000]) {
    const plain = answerOf(PLAIN, pieceBytes)
    t.same([plain.status, String(plain.body), plain.isWhole], [200, 'hello', true])
    t.equal(plain.headers.get('x-call-id'), '7')
    const chunked = answerOf(CHUNKED, pieceBytes)
    t.same([chunked.status, String(chunked.body)], [201, 'hello, everyone'])
    t.ok(chunked.isWhole && !chunked.isBroken)
  }
  t.ok(answerOf('HTTP/1.1 204 No Content\r\n\r\n').isWhole)
  t.end()
})

test('half answers are not whole, wherever they end', (t) => {
  for (const text of [PLAIN, CHUNKED]) {
    for (let length = 0; length < text.length; length++) {
      t.notOk(answerOf(text.slice(0, length)).isWhole, `${length} bytes of ${text.length}`)
    }
  }
  t.end()
})

test('what is no answer, or more than one, is broken', (t) => {
  t.ok(answerOf(`${PLAIN}!`).isBroken)
  t.ok(answerOf('SSH-2.0-OpenSSH\r\n\r\n').isBroken)
  t.ok(answerOf('HTTP/1.1 200 OK\r\n\r\nup to the end').isBroken)
  t.ok(answerOf(CHUNKED.replace('A\r\n', 'x\r\n')).isBroken)
  t.ok(answerOf(CHUNKED.replace('hello', 'hello!')).isBroken)
  t.end()
})
