import t from 'tap'
import { RetryBudget } from '../../../gateway/dispatch/retry-budget.js'

function taken(budget: RetryBudget, nowMs: number): number {
  let count = 0
  while (budget.take(nowMs)) count++
  return count
}

t.test('a few retries are always there', (t) => {
  t.equal(taken(new RetryBudget(), 0), 10)
  t.end()
})

t.test('a tenth of the calls of late may be tried again', (t) => {
  const budget = new RetryBudget()
  for (let call = 0; call < 2_000; call++) budget.onCall(call)
  t.equal(taken(budget, 2_000), 200)
  t.equal(taken(budget, 9_999), 0, 'and no more')
  t.end()
})

t.test('what was long ago counts no more, neither calls nor retries', (t) => {
  const budget = new RetryBudget()
  for (let call = 0; call < 2_000; call++) budget.onCall(0)
  t.equal(taken(budget, 1), 200)
  t.equal(taken(budget, 10_001), 0, 'the window before this one')
  t.equal(taken(budget, 20_002), 10)
  for (let call = 0; call < 500; call++) budget.onCall(20_003)
  t.equal(taken(budget, 20_004), 40)
  t.end()
})
