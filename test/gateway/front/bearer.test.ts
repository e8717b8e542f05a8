import t from 'tap'
import { bearerOf } from '../../../gateway/front/bearer.js'

function key(subject: string | null, claims: Record<string, unknown> = {}): string {
  return JSON.stringify(bearerOf({ subject, claims }))
}

t.test('a bearer is its issuer\u2019s subject, whatever else the token says', async (t) => {
  t.equal(key('ann', { iss: 'a', exp: 1 }), key('ann', { iss: 'a', exp: 2, jti: 'x' }))
  t.not(key('ann', { iss: 'a' }), key('ann', { iss: 'b' }))
  t.not(key('ann', { iss: 'a' }), key('bob', { iss: 'a' }))
})

t.test('without a subject it is all that the token says, but for its times', async (t) => {
  const first = key(null, { client_id: 'x', scope: 'a', iat: 1, nbf: 1, exp: 2 })
  t.equal(first, key(null, { exp: 9, scope: 'a', client_id: 'x' }))
  t.not(first, key(null, { scope: 'a', client_id: 'y' }))
  t.not(first, '', 'which would be nobody, and have no limit')
})
