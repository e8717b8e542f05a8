// What a soak takes for a fault: one that finds none proves nothing.

import { test } from 'tap'
import type { CallEnd } from '../../loadtest/clients/call-end.js'
import { HttpAnswer } from '../../loadtest/clients/http-answer.js'
import { Disturbances } from '../../loadtest/soak/disturbances.js'
import { type Expectation, judge, RIGHT } from '../../loadtest/soak/verdict.js'

const EVENTS = 'content-type: text/event-stream\r\n'
const HELLO: Expectation = {
  isRight: ({ body }) => String(body) === 'hello',
  isBeginning: (body) => 'hello'.startsWith(String(body)),
}

function end(how: 'answered' | 'cut', status: number, body: string, fields = ''): CallEnd {
  const answer = new HttpAnswer()
  const length = how === 'cut' ? 1_000_000 : body.length
  const head = `HTTP/1.1 ${status} X\r\nx-call-id: 7\r\n${fields}content-length: ${length}\r\n\r\n`
  answer.push(Buffer.from(head + body))
  return { how, answer }
}

function problem(status: number, code: string, fields = ''): CallEnd {
  const body = JSON.stringify({ status, code, callId: '7' })
  return end('answered', status, body, `content-type: application/problem+json\r\n${fields}`)
}

function errorEvent(code: string): string {
  return `event: error\ndata: ${JSON.stringify({ code })}\n\n`
}

test('what was asked for is right, be it an error', (t) => {
  t.same(judge(end('answered', 200, 'hello'), HELLO), { outcome: RIGHT })
  const code = { code: 'conflict', isBeginning: () => false }
  t.same(judge(problem(409, 'conflict'), code), { outcome: RIGHT })
  const late = { code: 'idle_timed_out', isBeginning: HELLO.isBeginning }
  const cut = end('cut', 200, `hel${errorEvent('idle_timed_out')}`, EVENTS)
  t.same(judge(cut, late), { outcome: RIGHT })
  t.end()
})

test('what looks whole and is not, and what nobody has promised, is a fault', (t) => {
  const faults: CallEnd[] = [
    end('answered', 200, 'hell'),
    end('answered', 200, 'hello!'),
    end('answered', 503, 'hello'),
    end('cut', 200, 'help'),
    end('cut', 503, ''),
    problem(500, 'internal'),
    problem(500, 'runner_lost'),
    problem(503, 'no_capacity'),
    problem(409, 'conflict'),
    { how: 'hung', afterMs: 1 },
    { how: 'garbled' },
  ]
  for (const fault of faults) t.same(judge(fault, HELLO).because, [], judge(fault, HELLO).outcome)
  t.end()
})

test('other failures need something to blame, of their kind and in their time', (t) => {
  const disturbances = new Disturbances()
  const over = disturbances.begin('runner killed')
  const nowMs = performance.now()
  const lost = judge(problem(502, 'runner_lost'), HELLO)
  t.ok(disturbances.explain(lost.because!, nowMs, nowMs + 1))
  t.notOk(disturbances.explain(lost.because!, nowMs - 2_000, nowMs - 1_000))
  over()
  t.notOk(disturbances.explain(lost.because!, nowMs + 60_000, nowMs + 61_000))
  const gone = judge({ how: 'lost', reason: 'ECONNRESET', history: 'new' }, HELLO)
  t.notOk(disturbances.explain(gone.because!, nowMs, nowMs + 1))
  const cut = judge(end('cut', 200, 'hel'), HELLO)
  t.ok(disturbances.explain(cut.because!, nowMs, nowMs + 1))
  t.same(disturbances.counts, { 'runner killed': 1 })
  t.equal(judge(problem(503, 'no_capacity', 'retry-after: 1\r\n'), HELLO).because, undefined)
  t.end()
})
