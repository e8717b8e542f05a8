import { test } from 'tap'
import { HttpAnswer } from '../../loadtest/clients/http-answer.js'
import { problemCode } from '../../loadtest/clients/problem.js'
import { errorCodes, errorMeaning } from '../../shared/errors.js'

function codeOf(status: number, problem: object, fields = 'retry-after: 1\r\n') {
  const answer = new HttpAnswer()
  const body = JSON.stringify({ status, callId: '7', ...problem })
  answer.push(
    Buffer.from(
      `HTTP/1.1 ${status} X\r\ncontent-type: application/problem+json\r\nx-call-id: 7\r\n${fields}` +
        `content-length: ${body.length}\r\n\r\n${body}`,
    ),
  )
  return problemCode(answer)
}

test('every code that Callgate has is known, with its status', (t) => {
  for (const code of errorCodes) t.equal(codeOf(errorMeaning[code].status, { code }), code)
  t.end()
})

test('what does not keep the promise is no such error', (t) => {
  t.equal(codeOf(500, { code: 'runner_lost' }), undefined)
  t.equal(codeOf(502, { code: 'bad_luck' }), undefined)
  t.equal(codeOf(502, { code: 'runner_lost', status: 500 }), undefined)
  t.equal(codeOf(502, { code: 'runner_lost', callId: '8' }), undefined)
  t.equal(codeOf(503, { code: 'no_capacity' }, ''), undefined, 'without Retry-After')
  t.equal(codeOf(503, { code: 'unavailable' }, ''), 'unavailable', 'which functions throw')
  t.end()
})
