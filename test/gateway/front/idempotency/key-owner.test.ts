import t from 'tap'
import type { CallHead } from '../../../../gateway/dispatch/answer-handler.js'
import { ownerOf } from '../../../../gateway/front/idempotency/key-owner.js'
import type { FlatHeaders } from '../../../../shared/frame.js'

function bearer(claims: Record<string, unknown>, headers: FlatHeaders = []): string {
  const subject = typeof claims.sub === 'string' ? claims.sub : null
  return ownerOf({ principal: { subject, scopes: [], claims }, headers } as unknown as CallHead)
}

function nobody(...headers: string[]): string {
  return ownerOf({ principal: null, headers } as unknown as CallHead)
}

t.test('a subject is its issuer’s', async (t) => {
  const ann = bearer({ iss: 'https://a', sub: 'ann', exp: 1 })
  t.equal(bearer({ iss: 'https://a', sub: 'ann', exp: 2, scope: 'x' }), ann, 'with any token')
  t.equal(bearer({ iss: 'https://a', sub: 'ann' }, ['cookie', 'a=1']), ann, 'and any cookie')
  t.not(bearer({ iss: 'https://a', sub: 'bob' }), ann)
  t.not(bearer({ iss: 'https://b', sub: 'ann' }), ann)
  t.not(bearer({ sub: 'ann' }), ann)
})

t.test('without a subject it is all that the token says, but for its times', async (t) => {
  const robot = bearer({ iss: 'https://a', client_id: 'robot', iat: 1, exp: 2 })
  t.equal(bearer({ exp: 4, iat: 3, client_id: 'robot', iss: 'https://a' }), robot)
  t.not(bearer({ iss: 'https://a', client_id: 'other', iat: 1, exp: 2 }), robot)
  t.not(bearer({ iss: 'https://a', client_id: 'robot', jti: '1' }), robot)
  // An empty subject would else be one for all.
  t.not(bearer({ sub: '', client_id: 'robot' }), bearer({ sub: '', client_id: 'other' }))
})

t.test('of nobody it is the credentials that were sent', async (t) => {
  const anybody = nobody('accept', '*/*')
  t.equal(nobody('accept', 'text/plain'), anybody)
  const owners = [
    anybody,
    nobody('authorization', 'Bearer 1'),
    nobody('authorization', 'Bearer 2'),
    nobody('cookie', 'Bearer 1'),
    nobody('x-api-key', 'Bearer 1'),
    nobody('cookie', 'a', 'cookie', 'b'),
    nobody('cookie', 'b', 'cookie', 'a'),
    bearer({}),
  ]
  t.equal(new Set(owners).size, owners.length)
})
