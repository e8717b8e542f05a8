// A request whose `Idempotency-Key` is known runs nothing, and counts like any other as long as it waits.

import t from 'tap'
import { defineFunction } from '../../runner/define-function.js'
import { signalled } from '../support/scripted-socket.js'
import { System } from '../support/system.js'

const system = await System.start(t, { gateway: { maxCallsPerPrincipal: 2 } })
const begun = signalled()
const goes = signalled()
await system.serve(
  defineFunction({
    name: 'pay',
    maxInputs: 10,
    run: async () => {
      begun.go()
      await goes.promise
      return 'paid'
    },
  }),
)

const pay = () => system.post('/pay', 1, { headers: { 'idempotency-key': 'one' } })

t.test('repeats have the limits of calls', async (t) => {
  const first = pay()
  await begun.promise
  // One of them may wait; whichever comes later is refused at once.
  const repeats = [pay(), pay()]
  const refused = await Promise.race(repeats)
  t.equal(refused.status, 429)
  t.match(await refused.json(), { code: 'rate_limited' })
  goes.go()
  t.equal(await (await first).text(), 'paid')
  const answers = await Promise.all(repeats)
  t.same(answers.map(({ status }) => status).sort(), [200, 429])
  for (let count = 0; count < 3; count++) {
    const kept = await pay()
    t.equal(kept.status, 200, 'each has left')
    t.equal(await kept.text(), 'paid')
  }
  await system.atRest()
})
