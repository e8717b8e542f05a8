// What a client may see of a call, given what it asked for. Whatever is not written down here is a fault.

import type { CallEnd } from '../clients/call-end.js'
import type { HttpAnswer } from '../clients/http-answer.js'
import { problemCode } from '../clients/problem.js'
import type { Disturbance } from './disturbances.js'

export interface Verdict {
  readonly outcome: string
  /** It is a fault unless one of these had happened; absent: it never is. */
  readonly because?: readonly Disturbance[]
  /** To be told with a fault. */
  readonly detail?: string
}

export interface Expectation {
  /** The error that this call asks for. */
  readonly code?: string
  /** Whether this is the answer, where it asks for one. */
  readonly isRight?: (answer: HttpAnswer) => boolean
  /** Whether this may be the beginning of it. */
  readonly isBeginning: (body: Buffer) => boolean
}

export const RIGHT = 'right'

/** Errors that no call asks for. */
const EXCUSES: Readonly<Record<string, Omit<Verdict, 'outcome'>>> = {
  no_capacity: {},
  runner_lost: { because: ['runner killed', 'nats-server killed'] },
  transport_unavailable: { because: ['nats-server killed'] },
  draining: { because: ['gateway restarted'] },
  timed_out: { because: ['runner stopped', 'runner killed', 'nats-server killed'] },
  first_byte_timed_out: { because: ['runner stopped', 'nats-server killed'] },
  idle_timed_out: { because: ['runner stopped', 'nats-server killed'] },
}

export function fault(outcome: string): Verdict {
  return { outcome, because: [] }
}

/** @param prefix of the outcome's name: where the code was seen */
export function excused(code: string, prefix = ''): Verdict {
  const excuse = EXCUSES[code]
  return excuse === undefined
    ? fault(`${prefix}${code}`)
    : { outcome: `${prefix}${code}`, ...excuse }
}

export function judge(end: CallEnd, expected: Expectation): Verdict {
  switch (end.how) {
    case 'left':
      return { outcome: 'left' }
    case 'lost':
      return {
        outcome: 'connection lost',
        because: ['gateway killed'],
        detail: [end.reason, end.history].join(', '),
      }
    case 'cut':
      return judgeCut(end.answer, expected)
    case 'answered':
      return judgeWhole(end.answer, expected)
    case 'hung':
      return fault(`hung for ${end.afterMs.toFixed(0)} ms`)
    case 'garbled':
      return fault('not HTTP')
    default:
      return end satisfies never
  }
}

function judgeWhole(answer: HttpAnswer, { code, isRight }: Expectation): Verdict {
  const { status, body } = answer
  if (status === 200) {
    if (isRight?.(answer)) return { outcome: RIGHT }
    return fault(`whole and wrong: ${quoted(body)}`)
  }
  const actual = problemCode(answer)
  if (actual === undefined) return fault(`${status} that is no problem document: ${quoted(body)}`)
  return actual === code ? { outcome: RIGHT } : excused(actual)
}

function judgeCut({ status, headers, body }: HttpAnswer, expected: Expectation): Verdict {
  if (status !== 200) return fault(`${status}, cut`)
  const { before, code } = splitErrorEvent(headers, body)
  if (!expected.isBeginning(before)) return fault(`wrong before it was cut: ${quoted(before)}`)
  if (code !== undefined && code === expected.code) return { outcome: RIGHT }
  if (code !== undefined) return excused(code, 'cut: ')
  const because: Disturbance[] = ['gateway killed']
  // Nothing can be said behind half an event, or in a stream of another kind.
  if (expected.code === undefined) because.push('runner killed', 'nats-server killed')
  return { outcome: 'cut', because }
}

const ERROR_EVENT = 'event: error\ndata: '

function splitErrorEvent(headers: ReadonlyMap<string, string>, body: Buffer) {
  const at = body.lastIndexOf(ERROR_EVENT)
  const isEvents = headers.get('content-type')?.startsWith('text/event-stream')
  if (!isEvents || at === -1) return { before: body, code: undefined }
  try {
    const problem = JSON.parse(body.toString('utf8', at + ERROR_EVENT.length))
    return { before: body.subarray(0, at), code: String(problem.code) }
  } catch {
    return { before: body, code: undefined }
  }
}

function quoted(body: Buffer): string {
  return JSON.stringify(body.toString('utf8', 0, 200))
}
