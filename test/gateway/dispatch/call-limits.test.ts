import t from 'tap'
import { CallLimits } from '../../../gateway/dispatch/call-limits.js'

t.test('so many calls in all', (t) => {
  const limits = new CallLimits({ maxCalls: 2, maxCallsPerPrincipal: null })
  t.equal(limits.enter('a'), null)
  t.equal(limits.enter(''), null)
  t.equal(limits.enter('b')?.code, 'no_capacity')
  limits.leave('b')
  t.equal(limits.enter('b')?.code, 'no_capacity')
  limits.leave('b')
  limits.leave('a')
  t.equal(limits.enter('b'), null)
  t.equal(limits.count, 2)
  t.end()
})

t.test('so many of one principal, whatever the others have', (t) => {
  const limits = new CallLimits({ maxCalls: 100, maxCallsPerPrincipal: 2 })
  t.equal(limits.enter('a'), null)
  t.equal(limits.enter('a'), null)
  const refusal = limits.enter('a')
  t.equal(refusal?.code, 'rate_limited')
  t.equal(refusal?.retryAfterSeconds, 1)
  limits.leave('a')
  t.equal(limits.enter('b'), null)
  limits.leave('a')
  t.equal(limits.enter('a'), null)
  for (let call = 0; call < 10; call++) t.equal(limits.enter(''), null, 'nobody is not one')
  t.end()
})
