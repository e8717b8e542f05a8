// One call in its runner, from the CALL to the last frame: what leaves can be read by any caller, whatever
// the function gives or throws, the slot comes back, and the log has the reason.

import { once } from 'node:events'
import pino from 'pino'
import t from 'tap'
import { RunnerCall } from '../../runner/call.js'
import { type DefinedFunction, defineFunction, PublicError } from '../../runner/define-function.js'
import { Slots } from '../../runner/slots.js'
import type { Bus } from '../../shared/bus.js'
import { decodeFrames } from '../../shared/codec.js'
import { CreditBudget } from '../../shared/credit.js'
import { CallError, type ThrowableCode } from '../../shared/errors.js'
import {
  type CallFrame,
  type ErrorFrame,
  FRAME,
  type Frame,
  INITIAL_BODY_CREDIT_BYTES,
} from '../../shared/frame.js'
import { Mailroom } from '../../shared/outbox.js'

const ID = 7

interface Outcome {
  readonly frames: readonly Frame[]
  readonly log: readonly Record<string, unknown>[]
  readonly freeSlots: number
  readonly ends: number
}

/** What comes of a call; throws for a frame that is none. */
async function outcomeOf(
  definition: DefinedFunction,
  method = 'POST',
  onTaken: (call: RunnerCall) => void = () => {},
  body: Uint8Array | null = null,
  hasMore = false,
): Promise<Outcome> {
  const frames: Frame[] = []
  const log: Record<string, unknown>[] = []
  let ends = 0
  let fault: unknown = null
  const bus = {
    maxPayloadBytes: 1024 * 1024,
    isConnected: true,
    send: ({ buffer, start, end }) => {
      try {
        decodeFrames(Buffer.from(buffer.subarray(start, end)), (frame) => frames.push(frame))
      } catch (error) {
        fault = error
      }
    },
  } as Partial<Bus> as Bus
  const mailroom = new Mailroom(bus)
  const slots = new Slots(1, () => {})
  const frame: CallFrame = [
    FRAME.call,
    ID,
    'call-7',
    60_000,
    1024 * 1024,
    method,
    '/',
    null,
    [],
    null,
    body,
    hasMore,
  ]
  const call = new RunnerCall(
    {
      definition,
      model: undefined,
      log: pino({ base: {} }, { write: (line: string) => void log.push(JSON.parse(line)) }),
      budget: new CreditBudget(1024 * 1024),
      maxBodyBytes: null,
      maxMessageBytes: 1024,
      cancelGraceMs: 1_000,
    },
    frame,
    mailroom.outbox('to', 'from', false),
    slots.take()!,
    () => ends++,
  )
  onTaken(call)
  await call.run()
  mailroom.flush()
  if (fault !== null) throw fault
  return { frames, log, freeSlots: slots.free, ends }
}

function thrower(thrown: unknown): DefinedFunction {
  return defineFunction({
    run: () => {
      throw thrown
    },
  })
}

const FUNCTION_FAILED = [
  FRAME.error,
  ID,
  'function_failed',
  'The function failed; its log has the reason.',
  null,
  null,
]

const BROKEN: Record<string, Parameters<typeof outcomeOf>> = {
  'begins with more body than there is credit for': [
    defineFunction({ run: (input) => input }),
    'POST',
    () => {},
    Buffer.alloc(INITIAL_BODY_CREDIT_BYTES + 1),
  ],
  'has more body after its end': [
    defineFunction({ run: (input) => input }),
    'POST',
    (call) => {
      call.onEnd()
      call.onBody(Buffer.from('more'))
    },
    Buffer.from('body'),
    true,
  ],
  'has more body than the whole that it began with': [
    defineFunction({ run: (input) => input }),
    'POST',
    (call) => call.onBody(Buffer.from('more')),
    Buffer.from('body'),
  ],
}

for (const [name, parameters] of Object.entries(BROKEN)) {
  t.test(`a CALL that ${name} breaks the protocol`, async (t) => {
    const { frames, freeSlots } = await outcomeOf(...parameters)
    t.match(frames, [[FRAME.error, ID, 'protocol_error']])
    t.equal(freeSlots, 1)
  })
}

/** A Response as only `fetch` can make one, or code that extends it. */
function responseWith(properties: object, body: BodyInit | null = 'x'): Response {
  const response = new Response(body)
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(response, name, { value })
  }
  return response
}

const streamed = () =>
  new ReadableStream({
    async pull(controller) {
      // Later than the turn in which it would be a whole answer.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      controller.enqueue(Buffer.from('x'))
      controller.close()
    },
  })

const UNSENDABLE: Record<string, [() => Response, reason: RegExp]> = {
  'a status above what there is': [() => responseWith({ status: 999 }), /status 999/],
  'Response.error()': [() => Response.error(), /status 0/],
  'a status below, streamed': [() => responseWith({ status: 199 }, streamed()), /status 199/],
  'a status that is no number': [() => responseWith({ status: '200' }), /status 200/],
  'a status of the empty kind': [() => responseWith({ status: 600 }, null), /status 600/],
  'a header that is no string': [
    () => responseWith({ headers: new Map<string, unknown>([['x-a', 1]]) }),
    /not a string/,
  ],
  'a content-length that is none': [
    () => new Response(streamed(), { headers: { 'content-length': '5, 5' } }),
    /content-length/,
  ],
}

for (const [name, [make, reason]] of Object.entries(UNSENDABLE)) {
  t.test(`a Response with ${name} fails its call only, and the log says why`, async (t) => {
    for (const definition of [defineFunction({ fetch: make }), defineFunction({ run: make })]) {
      const { frames, log, freeSlots, ends } = await outcomeOf(definition)
      t.same(frames, [FUNCTION_FAILED])
      t.match(log, [{ level: 50, msg: 'function failed', err: { message: reason } }])
      t.same([freeSlots, ends], [1, 1])
    }
  })
}

t.test('the body of a Response that cannot be sent is cancelled at its source', async (t) => {
  let isCancelled = false
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(Buffer.from('x')),
    cancel: () => {
      isCancelled = true
    },
  })
  await outcomeOf(defineFunction({ fetch: () => responseWith({ status: 999 }, body) }))
  t.ok(isCancelled)
})

t.test('every status that HTTP has for an answer can be sent', async (t) => {
  for (const status of [200, 204, 304, 404, 599]) {
    const body = [204, 304].includes(status) ? null : 'x'
    const { frames } = await outcomeOf(
      defineFunction({ fetch: () => new Response(body, { status }) }),
    )
    t.match(frames, [[FRAME.reply, ID, status]])
  }
})

const ISSUES: [name: string, issues: unknown, sent: unknown][] = [
  ['as they should be', [{ path: ['a', 0], message: 'odd' }], [{ path: ['a', 0], message: 'odd' }]],
  ['without a path', [{ message: 'odd' }], [{ path: [], message: 'odd' }]],
  [
    "of valibot, whose paths' steps are objects",
    [{ kind: 'schema', path: [{ type: 'object', key: 'a' }, { key: 1 }], message: 'odd' }],
    [{ path: ['a', 1], message: 'odd' }],
  ],
  [
    'with steps of any kind',
    [{ path: [null, undefined, Symbol('s'), 3n, {}, { key: {} }, [], () => 1], message: 'odd' }],
    [{ path: ['', '', 'Symbol(s)', '3', '', '', '', ''], message: 'odd' }],
  ],
  ['with messages that are none', [{ path: [], message: { a: 1 } }], [{ path: [], message: '' }]],
  [
    'that are no objects',
    [null, 'odd', 7, undefined],
    [
      { path: [], message: '' },
      { path: [], message: 'odd' },
      { path: [], message: '7' },
      { path: [], message: '' },
    ],
  ],
  [
    'with holes',
    Object.assign(new Array(2), { 1: { path: new Array(1), message: 'odd' } }),
    [
      { path: [], message: '' },
      { path: [''], message: 'odd' },
    ],
  ],
  ['of a class', [new Error('odd')], [{ path: [], message: 'odd' }]],
  ['null', null, null],
  ['an object', { path: [], message: 'odd' }, null],
]

for (const [name, issues, sent] of ISSUES) {
  t.test(`issues ${name}: what a caller gets it can read`, async (t) => {
    const error = new PublicError('invalid_input', 'No.', { issues: issues as never })
    const { frames, freeSlots } = await outcomeOf(thrower(error))
    t.same(frames, [[FRAME.error, ID, 'invalid_input', 'No.', sent, null]])
    t.equal(freeSlots, 1)
  })
}

t.test('no more issues than a client reads', async (t) => {
  const issues = Array.from({ length: 1_000 }, (_, index) => ({ path: [index], message: 'odd' }))
  const { frames } = await outcomeOf(thrower(new PublicError('invalid_input', 'No.', { issues })))
  t.equal((frames[0] as ErrorFrame)[4]?.length, 100)
})

t.test("a schema's issues, whatever they are", async (t) => {
  const input = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: () => ({ issues: [{ path: [null, { key: 'a' }], message: 7 }, null] as never }),
    },
  }
  const { frames } = await outcomeOf(defineFunction({ input, run: () => 1 }))
  const issues = [
    { path: ['', 'a'], message: '7' },
    { path: [], message: '' },
  ]
  const message = 'The input has 2 faults; see issues.'
  t.same(frames, [[FRAME.error, ID, 'invalid_input', message, issues, null]])
})

const revoked = Proxy.revocable({}, {})
revoked.revoke()
const THROWN: Record<string, unknown> = {
  'a proxy of nothing': revoked.proxy,
  'an error that throws when its message is read': Object.defineProperty(
    new Error('x'),
    'message',
    {
      get() {
        throw new Error('look away')
      },
    },
  ),
  'an error that throws when its name is read': Object.defineProperty(new Error('x'), 'name', {
    get() {
      throw Object.create(null)
    },
  }),
}

for (const [name, thrown] of Object.entries(THROWN)) {
  t.test(`a function that throws ${name} has failed, like any other`, async (t) => {
    const { frames, log, freeSlots, ends } = await outcomeOf(thrower(thrown))
    t.same(frames, [FUNCTION_FAILED])
    t.match(log, [{ level: 50, msg: /^function failed/ }])
    t.same([freeSlots, ends], [1, 1])
  })
}

t.test('a PublicError that is not one of ours is read with care', async (t) => {
  const strange = (properties: object) =>
    Object.assign(new Error('No.'), { name: 'PublicError', ...properties })
  const { frames } = await outcomeOf(thrower(strange({ code: 'conflict', message: { a: 1 } })))
  t.match(frames, [[FRAME.error, ID, 'conflict', String]])
  for (const code of ['draining', 'protocol_error', 'no such code', undefined]) {
    const { frames, log } = await outcomeOf(thrower(strange({ code })))
    t.same(frames, [FUNCTION_FAILED], 'only what a function may say')
    t.match(log, [{ level: 50 }])
  }
})

t.test("an inner call's error is no answer of the outer one", async (t) => {
  // A function that calls another one over `callgate/client` and got a 404 was answered with it, and
  // nobody's log knew.
  const inner = new CallError('not_found', 'There is no such voice.', { cause: new Error('why') })
  const { frames, log } = await outcomeOf(thrower(inner))
  t.same(frames, [FUNCTION_FAILED])
  t.match(log, [
    {
      level: 50,
      msg: 'function failed',
      err: { code: 'not_found', message: 'There is no such voice.: why', stack: /caused by/ },
    },
  ])
})

t.test('what the runner itself has against a call is said to its caller', async (t) => {
  const headers = { 'x-a': 'x'.repeat(70_000) }
  const large = defineFunction({ run: () => new Response('x', { headers }) })
  const { frames, log } = await outcomeOf(large)
  const message = 'The response head is larger than 65536 bytes.'
  t.same(frames, [[FRAME.error, ID, 'function_failed', message, null, null]])
  t.match(log, [{ level: 50, msg: 'function failed', err: { message } }], 'and to the log')
})

t.test('a 503 says when to try again, and any other refusal may', async (t) => {
  const secondsOf = async (...[code, facts]: [ThrowableCode, { retryAfterSeconds?: number }?]) => {
    const { frames } = await outcomeOf(thrower(new PublicError(code, 'No.', facts)))
    t.match(frames, [[FRAME.error, ID, code, 'No.', null]])
    return (frames[0] as ErrorFrame)[5]
  }
  t.equal(await secondsOf('unavailable'), 1)
  t.equal(await secondsOf('unavailable', { retryAfterSeconds: 0 }), 0)
  t.equal(await secondsOf('unavailable', { retryAfterSeconds: 86_400 }), 86_400)
  t.equal(await secondsOf('rate_limited'), null)
  t.equal(await secondsOf('rate_limited', { retryAfterSeconds: 30 }), 30)
  for (const retryAfterSeconds of [
    -1,
    0.5,
    86_401,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '5',
    null,
  ]) {
    t.throws(() => new PublicError('unavailable', 'No.', { retryAfterSeconds } as object), {
      name: 'RangeError',
      message: /retryAfterSeconds/,
    })
    const strange = Object.assign(new Error('No.'), {
      name: 'PublicError',
      code: 'unavailable',
      retryAfterSeconds,
    })
    t.match((await outcomeOf(thrower(strange))).frames, [
      [FRAME.error, ID, 'unavailable', 'No.', null, 1],
    ])
  }
})

t.test('so does a runner that drains', async (t) => {
  const untilGivenUp = defineFunction({
    run: async (_input, { signal }) => {
      if (!signal.aborted) await once(signal, 'abort')
    },
  })
  const { frames } = await outcomeOf(untilGivenUp, 'POST', (call) => {
    setImmediate(() => call.abort('draining'))
  })
  t.same(frames, [[FRAME.error, ID, 'draining', 'The runner was stopped.', null, 1]])
})

const NO_CLOSES: unknown[][] = [
  [1000, new Uint8Array(3)],
  [1000, null],
  [1000, 7],
  ['1000', ''],
  [Number.NaN, ''],
  [1000.5, ''],
  [1005, ''],
  [99_999, ''],
]

t.test('a socket is not closed with what is no close, nor sends what is no message', async (t) => {
  const acts: ((socket: never) => unknown)[] = [
    ...NO_CLOSES.map(
      (close) => (socket: { close(...close: unknown[]): void }) => socket.close(...close),
    ),
    ...[7, null, undefined, {}, [1], new ArrayBuffer(3), { length: 3 }].map(
      (data) => (socket: { send(data: unknown): Promise<void> }) => socket.send(data),
    ),
    (socket: { accept(protocol: unknown): void }) => socket.accept(7),
    (socket: { accept(protocol: unknown): void }) => socket.accept(null),
  ]
  for (const act of acts) {
    const { frames, log, freeSlots } = await outcomeOf(
      defineFunction({ socket: async (socket) => void (await act(socket as never)) }),
      'WS',
    )
    t.same(
      frames.filter(([type]) => type !== FRAME.accept),
      [FUNCTION_FAILED],
    )
    t.match(log, [{ level: 50, err: { type: /^(Range|Type)Error$/ } }])
    t.equal(freeSlots, 1)
  }
})
