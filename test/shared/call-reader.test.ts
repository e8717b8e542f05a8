// The reader of calls is there for speed only: whatever it is given, what comes out is what the general
// decoder would have read.

import t from 'tap'
import { encodeFrame } from '../../shared/codec.js'
import { type CallFrame, FRAME, type Frame } from '../../shared/frame.js'
import { decoded, decodedGenerally } from './decoded.js'
import { seededRandom } from './seeded-random.js'

const PLAIN: CallFrame = [
  FRAME.call,
  7,
  '4M9QtFO27Ijt1xkc01',
  30_000,
  16_384,
  'POST',
  '/echo',
  null,
  ['content-type', 'application/json', 'user-agent', 'x'.repeat(120)],
  { subject: 'ann', scopes: ['a', 'b'], claims: { sub: 'ann', exp: 1_900_000_000, deep: [{}] } },
  Buffer.from('{"n":1}'),
  false,
]

function call(changes: Partial<Record<number, unknown>> = {}): Buffer {
  const frame = Object.assign([...PLAIN], changes) as unknown as CallFrame
  return Buffer.from(encodeFrame(frame))
}

const VARIANTS: Partial<Record<number, unknown>>[] = [
  {},
  { 1: 2 ** 53 - 1 },
  { 2: '' },
  { 2: 'ü' },
  { 3: null },
  { 3: 2 ** 40 },
  { 4: 0 },
  { 5: '' },
  { 6: `/${'a'.repeat(70_000)}` },
  { 6: '/ü?q=🙂' },
  { 7: {} },
  { 7: { id: '7', '*': 'a/b' } },
  { 7: { __proto__x: 'x', constructor: 'y', ü: 'z' } },
  { 7: Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`p${index}`, String(index)])) },
  { 8: [] },
  { 8: ['x-e', 'é'] },
  { 8: Array.from({ length: 40 }, (_, index) => `h${index}`) },
  { 9: null },
  { 9: { subject: null, scopes: [], claims: {} } },
  { 9: { subject: 'é', scopes: ['🙂'], claims: { list: [1, 2.5, -3, null, true] } } },
  { 9: { subject: null, scopes: [], claims: { large: 'x'.repeat(70_000) } } },
  { 10: null },
  { 10: null, 11: true },
  { 10: Buffer.alloc(0) },
  { 10: Buffer.alloc(300, 1), 11: true },
  { 10: Buffer.alloc(70_000, 2) },
]

t.test('calls of every kind come back as they went, alone and among others', (t) => {
  for (const changes of VARIANTS) {
    const message = Buffer.concat([call(), call(changes), call({ 1: 8 })])
    t.same(decoded(message), decodedGenerally(message), JSON.stringify(changes).slice(0, 80))
    t.same(decoded(call(changes)), decodedGenerally(call(changes)))
  }
  t.end()
})

t.test('the array of a message may be used again for the next one', (t) => {
  const ann = { subject: 'ann', scopes: [], claims: { sub: 'ann' } }
  const bob = { subject: 'bob', scopes: [], claims: { sub: 'bob' } }
  const array = call({ 2: 'first', 8: ['x-a', 'one'], 9: ann, 10: null })
  t.match((decoded(array) as Frame[])[0], { 2: 'first', 8: ['x-a', 'one'], 9: ann })
  array.set(call({ 2: 'other', 8: ['x-b', 'two'], 9: bob, 10: null }))
  t.match((decoded(array) as Frame[])[0], { 2: 'other', 8: ['x-b', 'two'], 9: bob })
  t.end()
})

t.test('of many principals each call has its own', (t) => {
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 20; index++) {
      const principal = { subject: `u${index}`, scopes: [], claims: { n: index } }
      t.same((decoded(call({ 9: principal })) as Frame[])[0]![9 as 1], principal)
    }
  }
  t.end()
})

t.test('nothing that one call does to its principal is seen by another', (t) => {
  const [[frame]] = [decoded(call()) as CallFrame[]]
  const { claims, scopes } = frame![9]!
  t.throws(() => Object.assign(claims, { admin: true }), TypeError)
  t.throws(() => (scopes as string[]).push('admin'), TypeError)
  t.throws(() => (claims.deep as unknown[]).push(1), TypeError)
  t.end()
})

t.test('a call that breaks off anywhere is refused', (t) => {
  const whole = call()
  for (let length = 1; length < whole.length; length++) {
    if (decoded(whole.subarray(0, length)) !== 'refused') t.fail(`${length} bytes`)
  }
  t.end()
})

t.test('bytes that were changed are read as the general decoder reads them', (t) => {
  const random = seededRandom(11)
  let refused = 0
  for (let round = 0; round < 30_000; round++) {
    const message = Buffer.concat([
      call(random.pick([{}, { 7: { id: '7' } }, { 9: null }])),
      call({ 1: 70_000, 10: null, 11: true }),
    ])
    message[Math.floor(random.next() * message.length)] = Math.floor(random.next() * 256)
    const expected = decodedGenerally(message)
    const found = decoded(message)
    if (expected === 'refused') refused++
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      return t.fail(message.toString('hex'))
    }
  }
  t.ok(refused > 1_000 && refused < 29_000, `${refused} of them were refused`)
  t.end()
})
