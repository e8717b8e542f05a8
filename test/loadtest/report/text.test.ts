import { test } from 'tap'
import type { Target } from '../../../loadtest/report/result.js'
import { isMet } from '../../../loadtest/report/targets.js'
import { formatResult } from '../../../loadtest/report/text.js'
import { RESULT } from './sample-result.js'

test('a result on the terminal', (t) => {
  t.same(formatResult(RESULT).split('\n'), [
    'unary: small calls',
    '2 cores, commit a128e81, CPU in use before: 3%',
    '',
    '| subject  | calls/s |',
    '| -------- | ------- |',
    '| callgate | 9       |',
    '',
    'Ratios',
    '',
    '| ratio | value |',
    '| ----- | ----- |',
    '| a ÷ b | 6.25  |',
    '',
    '| target | wanted        | measured |     |',
    '| ------ | ------------- | -------- | --- |',
    '| p99    | at most 50 ms | 8.12 ms  | met |',
    '',
    'errors: 2 wrong body',
    '',
    'A note.',
  ])
  t.end()
})

test('a long note is wrapped between its words', (t) => {
  const words = Array.from({ length: 40 }, (_, index) => `word${index}`).join(' ')
  const lines = formatResult({ ...RESULT, notes: [words] }).split('\n')
  const noteLines = lines.slice(lines.indexOf('errors: 2 wrong body') + 2)
  t.equal(noteLines.join(' '), words)
  t.ok(noteLines.length > 1 && noteLines.every((line) => line.length <= 100))
  t.end()
})

test('a target is met at its value, and never by nothing', (t) => {
  const target = (comparison: Target['comparison'], value: number | null) =>
    isMet({ name: 'it', unit: '', comparison, target: 10, value })
  t.same(
    [target('at most', 10), target('at most', 10.1), target('at least', 10), target('at least', 9)],
    [true, false, true, false],
  )
  for (const nothing of [null, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.notOk(target('at most', nothing))
    t.notOk(target('at least', nothing))
  }
  t.end()
})
