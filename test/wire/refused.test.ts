import { Packr } from 'msgpackr'
import t from 'tap'
import { CodecError, decodeFrames } from '../../shared/codec.js'
import type { Frame } from '../../shared/frame.js'
import { bytesOf, GOLDEN } from './golden.js'

const packr = new Packr({ useRecords: false })
const BIN = Uint8Array.of(1)

function call(changes: Record<number, unknown>): unknown[] {
  const frame: unknown[] = [1, 1, 'c', null, 0, 'GET', '/', null, [], null, null, false]
  for (const [index, value] of Object.entries(changes)) frame[Number(index)] = value
  return frame
}

const REFUSED: Record<string, unknown> = {
  'a type of 0': [0, 1],
  'an unknown type': [99, 1],
  'a negative type': [-1, 1],
  'a fractional type': [3.5, 1],
  'a type that is text': ['3', 1],
  'no elements': [],
  'a type alone': [3],
  nil: null,
  'a number': 3,
  'a text': 'frame',
  'a map': { 0: 3, 1: 1, length: 2 },
  'a negative id': [3, -1],
  'a fractional id': [3, 1.5],
  'an id that is text': [3, '1'],
  'an id of nil': [3, null],
  'an id that is NaN': [3, Number.NaN],
  'an infinite id': [3, Number.POSITIVE_INFINITY],
  'an id that no double holds exactly': [3, 2 ** 53],
  'a BODY without bytes': [2, 1],
  'a BODY with one element too many': [2, 1, BIN, 0],
  'a BODY of text': [2, 1, 'x'],
  'a BODY of nil': [2, 1, null],
  'a BODY of numbers': [2, 1, [1, 2]],
  'an END with one element too many': [3, 1, null],
  'a CREDIT without bytes': [4, 1],
  'a negative CREDIT': [4, 1, -1],
  'a fractional CREDIT': [4, 1, 0.5],
  'a CREDIT with one element too many': [4, 1, 1, 1],
  'a CANCEL without a code': [5, 1],
  'a CANCEL with an unknown code': [5, 1, 'tired'],
  'a CANCEL with a code from Object.prototype': [5, 1, 'constructor'],
  'a CANCEL with one element too many': [5, 1, 'cancelled', 1],
  'a PING with an id': [6, 1],
  'a BUSY with one element too many': [7, 1, 1],
  'a FREE of nil': [8, null],
  'a FREE with one element too many': [8, 1, 1],
  'a REPLY without a body': [9, 1, 200, []],
  'a REPLY with a body of text': [9, 1, 200, [], 'x'],
  'a REPLY with one element too many': [9, 1, 200, [], BIN, 0],
  'a REPLY with a status of 199': [9, 1, 199, [], BIN],
  'a REPLY with a status of 600': [9, 1, 600, [], BIN],
  'a REPLY with a fractional status': [9, 1, 200.5, [], BIN],
  'a REPLY with a status as text': [9, 1, '200', [], BIN],
  'a HEAD without headers': [10, 1, 200],
  'a HEAD with a header map': [10, 1, 200, { a: 'b' }],
  'a HEAD with a name without its value': [10, 1, 200, ['a']],
  'a HEAD with a number among its headers': [10, 1, 200, ['a', 1]],
  'a HEAD with headers of nil': [10, 1, 200, null],
  'a HEAD with one element too many': [10, 1, 200, [], BIN],
  'a HEAD with a line end in a value': [10, 1, 200, ['a', 'b\r\nset-cookie: c=d']],
  'a HEAD with a newline in a value': [10, 1, 200, ['a', 'b\nc']],
  'a HEAD with NUL in a value': [10, 1, 200, ['a', 'b\0']],
  'a HEAD with a character in a value that is no byte': [10, 1, 200, ['a', '\u010d\u010a']],
  'a HEAD with a line end in a name': [10, 1, 200, ['a: b\r\nc', 'd']],
  'a HEAD with a name that is empty': [10, 1, 200, ['', 'd']],
  'a REPLY with a line end in a value': [9, 1, 200, ['a', 'b\r\nc: d'], BIN],
  'an ERROR with an unknown code': [11, 1, 'tired', 'x', null, null],
  'an ERROR without a message': [11, 1, 'internal', null, null, null],
  'an ERROR with issues that are no array': [11, 1, 'internal', 'x', {}, null],
  'an ERROR with a time to try again as text': [11, 1, 'internal', 'x', null, '1'],
  'an ERROR with a negative time to try again': [11, 1, 'internal', 'x', null, -1],
  'an ERROR that is too short': [11, 1, 'internal', 'x', null],
  'an ERROR with one element too many': [11, 1, 'internal', 'x', null, null, 1],
  'an ACCEPT without a subprotocol': [12, 1],
  'an ACCEPT of a number': [12, 1, 1],
  'an ACCEPT with one element too many': [12, 1, null, null],
  'a MESSAGE without flags': [13, 1, BIN],
  'a MESSAGE with negative flags': [13, 1, -1, BIN],
  'a MESSAGE with a flag that has no meaning': [13, 1, 4, BIN],
  'a MESSAGE of text that is not binary': [13, 1, 3, 'hi'],
  'a MESSAGE with one element too many': [13, 1, 3, BIN, 0],
  'a CLOSE without a reason': [14, 1, 1000],
  'a CLOSE with a reason of nil': [14, 1, 1000, null],
  'a CLOSE with a code of 999': [14, 1, 999, ''],
  'a CLOSE with a code of 5000': [14, 1, 5000, ''],
  'a CLOSE with one element too many': [14, 1, 1000, '', 0],
  'a CALL that is too short': call({}).slice(0, 11),
  'a CALL with one element too many': [...call({}), null],
  'a CALL with a call id that is a number': call({ 2: 1 }),
  'a CALL with a negative time limit': call({ 3: -1 }),
  'a CALL with a fractional time limit': call({ 3: 0.5 }),
  'a CALL without reply credit': call({ 4: null }),
  'a CALL with negative reply credit': call({ 4: -1 }),
  'a CALL without a method': call({ 5: null }),
  'a CALL without a url': call({ 6: null }),
  'a CALL with params that are a list': call({ 7: [] }),
  'a CALL with params that are text': call({ 7: 'a' }),
  'a CALL with headers of nil': call({ 8: null }),
  'a CALL with a name without its value': call({ 8: ['a'] }),
  'a CALL with a principal that is text': call({ 9: 'ann' }),
  'a CALL with a principal that is a list': call({ 9: [] }),
  'a CALL with a body of text': call({ 10: 'x' }),
  'a CALL with a body of numbers': call({ 10: [1] }),
  'a CALL whose hasMore is a number': call({ 11: 1 }),
  'a CALL whose hasMore is nil': call({ 11: null }),
}

for (const [name, value] of Object.entries(REFUSED)) {
  t.test(`${name} is refused`, (t) => {
    t.throws(() => decodeFrames(packr.pack(value), () => t.fail('it was handed out')), CodecError)
    t.end()
  })
}

// PROTOCOL.md: an element of a wrong type is a protocol error. What is inside an element counts too:
// whoever reads the frame relies on the type that frame.ts promises.
const WRONG_INSIDE: Record<string, unknown> = {
  'params that are binary': call({ 7: BIN }),
  'a param that is a number': call({ 7: { id: 3 } }),
  'a principal that is binary': call({ 9: BIN }),
  'a principal without scopes': call({ 9: { subject: 'ann', claims: {} } }),
  'a principal whose scopes are text': call({ 9: { subject: 'ann', scopes: 'admin', claims: {} } }),
  'a principal whose subject is a number': call({ 9: { subject: 1, scopes: [], claims: {} } }),
  'a principal whose claims are nil': call({ 9: { subject: null, scopes: [], claims: null } }),
  'issues that are numbers': [11, 1, 'invalid_input', 'x', [1], null],
  'an issue without a path': [11, 1, 'invalid_input', 'x', [{ message: 'm' }], null],
}

for (const [name, value] of Object.entries(WRONG_INSIDE)) {
  t.test(`${name} are refused`, (t) => {
    t.throws(() => decodeFrames(packr.pack(value), () => {}), CodecError)
    t.end()
  })
}

const NOT_MSGPACK: Record<string, string> = {
  'a byte that msgpack never uses': 'c1',
  'a byte that msgpack never uses, after a frame': '92 03 01 c1',
  'a frame and half of one': '92 03 01 92 03',
  'a frame and a number': '92 03 01 00',
  'an array of four billion elements': 'dd ffffffff',
  'a map of four billion entries': 'df ffffffff',
  'a binary of four gigabytes': '93 02 01 c6 ffffffff 00',
  'a text of four gigabytes': 'db ffffffff 61',
  'an extension of four gigabytes': 'c9 ffffffff 01',
}

for (const [name, hex] of Object.entries(NOT_MSGPACK)) {
  t.test(`${name} is refused`, (t) => {
    t.throws(() => decodeFrames(bytesOf(hex), () => {}), CodecError)
    t.end()
  })
}

t.test(
  'a message that breaks off at any byte is refused, and its last frame never handed out',
  (t) => {
    for (const { name, hex } of GOLDEN) {
      const whole = Buffer.concat([bytesOf('92 03 01'), bytesOf(hex)])
      for (let length = 4; length < whole.length; length++) {
        const frames: Frame[] = []
        const fault = faultOf(Buffer.from(whole.subarray(0, length)), (frame) => frames.push(frame))
        if (!(fault instanceof CodecError) || frames.length > 1) {
          t.fail(
            `${name}: ${length} bytes of ${whole.length} gave ${frames.length} frames, ${fault}`,
          )
        }
      }
    }
    t.end()
  },
)

t.test('frames before one that is refused have been handed out', (t) => {
  const frames: Frame[] = []
  t.throws(() => decodeFrames(bytesOf('92 03 01 92 03 02 92 63 01'), (frame) => frames.push(frame)))
  t.same(frames, [
    [3, 1],
    [3, 2],
  ])
  t.end()
})

t.test('nesting that would end the stack is refused like any other rubbish', (t) => {
  t.throws(() => decodeFrames(Buffer.alloc(250_000, 0x91), () => {}), CodecError)
  t.throws(() => decodeFrames(Buffer.alloc(250_000, 0x81), () => {}), CodecError)
  t.end()
})

t.test('extension types that carry anything but a time are no part of the wire', (t) => {
  const claims = (extension: string) =>
    bytesOf(`9c 01 01 a163 c0 00 a3474554 a12f c0 90
      83 a77375626a656374 c0 a673636f706573 90 a6636c61696d73 81 a178 ${extension} c0 c2`)
  t.doesNotThrow(() => decodeFrames(claims('01'), () => {}), 'the frame around it is right')
  t.throws(() => decodeFrames(claims('d4 05 00'), () => {}), CodecError, 'an unknown one')
  t.throws(
    () => decodeFrames(claims('c70578 92a161a167'), () => {}),
    CodecError,
    'a regular expression',
  )
  t.throws(
    () => decodeFrames(bytesOf('d472 40 91a161 05 92 03 01'), () => {}),
    CodecError,
    'a record',
  )
  t.end()
})

t.test('a message that defines records does not change how the next one is read', (t) => {
  for (const definition of ['d47240 91a161 05', 'd47241 91a161 05 93 02 41 c400']) {
    try {
      decodeFrames(bytesOf(definition), () => {})
    } catch {}
    const frames: Frame[] = []
    decodeFrames(bytesOf('92 03 40 92 03 41'), (frame) => frames.push(frame))
    t.same(frames, [
      [3, 0x40],
      [3, 0x41],
    ])
  }
  t.end()
})

t.test('a whole number is a whole number, however another library writes it', (t) => {
  for (const one of [
    '01',
    'cc01',
    'cd0001',
    'ce00000001',
    'cf0000000000000001',
    'd001',
    'd10001',
    'd200000001',
    'd30000000000000001',
  ]) {
    const frames: Frame[] = []
    decodeFrames(bytesOf(`92 03 ${one}`), (frame) => frames.push(frame))
    t.same(frames, [[3, 1]], one)
  }
  t.end()
})

function faultOf(message: Uint8Array, onFrame: (frame: Frame) => void): unknown {
  try {
    decodeFrames(message, onFrame)
    return null
  } catch (error) {
    return error
  }
}
