import t from 'tap'
import { AnswerReader } from '../../../../gateway/front/idempotency/answer-reader.js'
import { KeptAnswers } from '../../../../gateway/front/idempotency/kept-answers.js'
import { CallError } from '../../../../shared/errors.js'
import { RecordedAnswer } from '../../dispatch/recorded-answer.js'
import { anyRequest } from './any-request.js'

const PIECE_BYTES = 64 * 1024
const BODY = Buffer.alloc(3 * PIECE_BYTES + 1, 'abc')

function reading(added = BODY) {
  const answers = new KeptAnswers(1_000, 16 * 1024 * 1024)
  const answer = answers.make(anyRequest(), 200, ['a', '1'], BODY.length)!
  answer.add(added)
  const client = new RecordedAnswer()
  const reader = new AnswerReader(answer, client)
  // From here on the reader alone holds it.
  answer.release()
  return { answers, answer, client, reader }
}

t.test('gives a piece when the one before has left', async (t) => {
  const { answers, client, reader } = reading()
  reader.begin(['b', '2'])
  t.same(client.headers, ['a', '1', 'b', '2'])
  t.equal(client.body.length, PIECE_BYTES)
  reader.consumed(PIECE_BYTES - 1)
  t.equal(client.body.length, 2 * PIECE_BYTES)
  reader.consumed(1)
  t.equal(client.body.length, 2 * PIECE_BYTES)
  reader.consumed(PIECE_BYTES)
  t.notOk(client.events.includes('end'))
  t.not(answers.usedBytes, 0)
  reader.consumed(PIECE_BYTES)
  t.same(client.events, ['head', 'end'])
  t.ok(client.body.equals(BODY))
  t.ok(reader.isOver)
  t.equal(answers.usedBytes, 0)
})

t.test('goes on when more of the answer has come', async (t) => {
  const { answer, client, reader } = reading(BODY.subarray(0, 10))
  reader.begin()
  t.equal(client.body.length, 10)
  answer.add(BODY.subarray(10, 20))
  reader.proceed()
  t.equal(client.body.length, 20)
  t.notOk(client.events.includes('end'))
})

t.test('lets go of the answer when its client has left, or is sent away', async (t) => {
  for (const end of ['cancel', 'fail'] as const) {
    const { answers, client, reader } = reading()
    reader.begin()
    const error = new CallError('draining', 'bye')
    reader[end](error)
    reader[end](error)
    t.equal(client.error, end === 'fail' ? error : null)
    t.ok(reader.isOver)
    t.equal(answers.usedBytes, 0)
    reader.consumed(PIECE_BYTES)
    t.equal(client.body.length, PIECE_BYTES, 'and gives nothing more')
  }
})

t.test('a client that has left before it began is given nothing', async (t) => {
  const { client, reader } = reading()
  reader.cancel()
  reader.begin()
  t.same(client.events, [])
})
