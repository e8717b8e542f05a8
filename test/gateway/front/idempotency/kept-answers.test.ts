import t from 'tap'
import type { KeptAnswer } from '../../../../gateway/front/idempotency/kept-answer.js'
import { KeptAnswers } from '../../../../gateway/front/idempotency/kept-answers.js'
import { anyRequest } from './any-request.js'

const TOTAL_BYTES = 64 * 1024
const LARGEST_BYTES = TOTAL_BYTES / 4
/** Four of them, with what each costs beside, are just too many. */
const BODY_BYTES = LARGEST_BYTES - 512

function make(answers: KeptAnswers, bodyBytes = BODY_BYTES): KeptAnswer | null {
  return answers.make(anyRequest(), 200, [], bodyBytes)
}

/** One that nobody holds but the keeper. */
function keep(answers: KeptAnswers, key: string): void {
  const answer = make(answers)!
  answers.keep(key, answer)
  answer.release()
}

t.test('an answer may take a quarter of the memory', async (t) => {
  const answers = new KeptAnswers(1_000, TOTAL_BYTES)
  t.equal(make(answers, LARGEST_BYTES - 511), null)
  t.equal(answers.usedBytes, 0)
  t.equal(make(answers, LARGEST_BYTES - 512)?.bodyBytes, LARGEST_BYTES - 512)
  t.equal(answers.usedBytes, LARGEST_BYTES)
  t.equal(answers.make(anyRequest(), 200, ['a', 'b'], LARGEST_BYTES - 512), null, 'head and all')
})

t.test('the one that was not asked for longest makes room', async (t) => {
  const answers = new KeptAnswers(1_000, TOTAL_BYTES)
  for (const key of ['a', 'b', 'c', 'd']) keep(answers, key)
  answers.get('a')
  keep(answers, 'e')
  t.equal(answers.get('b'), undefined)
  t.ok(answers.get('a'))
  t.equal(answers.usedBytes, TOTAL_BYTES)
})

t.test('what somebody holds counts until it is let go', async (t) => {
  const answers = new KeptAnswers(1_000, TOTAL_BYTES)
  const held = ['a', 'b', 'c'].map(() => make(answers)!)
  keep(answers, 'd')
  t.ok(make(answers), 'by what is kept')
  t.equal(answers.get('d'), undefined)
  t.equal(make(answers), null, 'there is no more')
  held[0]!.hold()
  held[0]!.release()
  t.equal(make(answers), null)
  held[0]!.release()
  t.ok(make(answers))
})

t.test('nothing is put out in vain', async (t) => {
  const answers = new KeptAnswers(1_000, TOTAL_BYTES)
  for (let count = 0; count < 3; count++) make(answers)
  const answer = make(answers, BODY_BYTES / 2)!
  answers.keep('small', answer)
  answer.release()
  t.ok(make(answers, BODY_BYTES / 4))
  t.equal(make(answers), null)
  t.ok(answers.get('small'))
})

t.test('a key that is kept anew gives back the memory of before', async (t) => {
  const answers = new KeptAnswers(1_000, TOTAL_BYTES)
  keep(answers, 'a')
  keep(answers, 'a')
  t.equal(answers.usedBytes, LARGEST_BYTES)
})
