// What no runner of ours does: an answer that is not as long as it says.

import t from 'tap'
import type { Invocation } from '../../../../gateway/dispatch/invocation.js'
import { KeptAnswers } from '../../../../gateway/front/idempotency/kept-answers.js'
import { SharedCall } from '../../../../gateway/front/idempotency/shared-call.js'
import { RecordedAnswer } from '../../dispatch/recorded-answer.js'
import { anyRequest } from './any-request.js'

const invocation = { consumed: () => {}, cancel: () => {}, isOver: false } as unknown as Invocation

function collecting() {
  const answers = new KeptAnswers(1_000, 1024 * 1024)
  const first = new RecordedAnswer()
  const second = new RecordedAnswer()
  const kept: string[] = []
  const call = new SharedCall(anyRequest(), first, answers, (answer) => {
    kept.push(Buffer.from(answer?.body ?? []).toString())
  })
  first.invocation = call.begin(invocation) as Invocation
  call.join(anyRequest(), second, () => {})
  call.onHead(200, ['content-length', '4'])
  return { answers, call, first, second, kept }
}

t.test('one that is shorter fails for all, and is not kept', async (t) => {
  const { answers, call, first, second, kept } = collecting()
  call.onBody(Buffer.from('abc'))
  call.onFlush()
  call.onEnd()
  t.equal(first.error?.code, 'protocol_error')
  t.equal(second.error?.code, 'protocol_error')
  t.same(kept, [''])
  t.equal(answers.usedBytes, 0)
})

t.test('one that is longer ends where it said', async (t) => {
  const { answers, call, first, second, kept } = collecting()
  call.onBody(Buffer.from('abcde'))
  call.onFlush()
  call.onEnd()
  t.equal(first.body.toString(), 'abcd')
  t.equal(second.body.toString(), 'abcd')
  t.same(kept, ['abcd'])
  t.equal(answers.usedBytes, 0, 'nobody has it any more')
})
