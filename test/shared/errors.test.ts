import t from 'tap'
import {
  CallError,
  errorCodes,
  errorMeaning,
  isErrorCode,
  throwableCodes,
} from '../../shared/errors.js'

t.test('every code means an error in HTTP and a close code that a server may send', (t) => {
  // RFC 6455, 7.4: 1004 to 1006 and 1015 are never sent; 4000 to 4999 are ours to give.
  const reserved = new Set([1004, 1005, 1006, 1015])
  for (const code of errorCodes) {
    const { status, closeCode, title } = errorMeaning[code]
    t.ok(status >= 400 && status <= 599, `${code}: ${status}`)
    const isStandard = closeCode >= 1001 && closeCode <= 1014 && !reserved.has(closeCode)
    t.ok(isStandard || (closeCode >= 4000 && closeCode <= 4999), `${code}: ${closeCode}`)
    t.match(title, /^[A-Z][A-Za-z ]+$/, code)
  }
  t.end()
})

t.test('a close code of our own repeats the HTTP status', (t) => {
  for (const code of errorCodes) {
    const { status, closeCode } = errorMeaning[code]
    if (closeCode >= 4000 && !code.endsWith('timed_out')) t.equal(closeCode, 4000 + status, code)
  }
  t.end()
})

t.test('what only Callgate may say cannot be thrown by a function', (t) => {
  for (const code of [
    'runner_lost',
    'protocol_error',
    'internal',
    'draining',
    'no_capacity',
    'timed_out',
    'cancelled',
  ] as const) {
    t.notOk((throwableCodes as readonly string[]).includes(code), code)
  }
  t.ok((throwableCodes as readonly string[]).includes('not_found'))
  t.end()
})

t.test('a code is told from any other text, also from what every object has', (t) => {
  for (const code of errorCodes) t.ok(isErrorCode(code))
  for (const value of [
    '',
    'Cancelled',
    'constructor',
    '__proto__',
    'toString',
    1,
    null,
    undefined,
    {},
  ]) {
    t.notOk(isErrorCode(value), String(value))
  }
  t.end()
})

t.test('an error carries its facts as fields', (t) => {
  const cause = new Error('why')
  const issues = [{ path: ['a', 1], message: 'm' }]
  const error = new CallError('invalid_input', 'Bad.', { issues, retryAfterSeconds: 2, cause })
  t.match(error, {
    name: 'CallError',
    code: 'invalid_input',
    message: 'Bad.',
    issues,
    retryAfterSeconds: 2,
    cause,
  })
  t.type(error, Error)
  const bare = new CallError('internal', 'x')
  t.equal(bare.issues, undefined)
  t.notOk('cause' in bare)
  t.end()
})
