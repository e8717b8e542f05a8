// How long it takes until something that is being started answers: asked again and again, with calls so
// short and so far apart that the asking costs little.

import { setTimeout as delay } from 'node:timers/promises'
import type { CallEnd } from './call-end.js'
import { HttpClient } from './http-client.js'

const ASK_EVERY_MS = 5
const PATIENCE_MS = 30_000

export interface Question {
  readonly origin: string
  readonly authorization: string
  /** Of a POST. */
  readonly path: string
  readonly body: string
  /** What the right answer is; any other with status 200 is wrong. */
  readonly answer: string
  /** What may be answered before: nothing but this, and refused connections. */
  readonly earlierStatus?: number
}

/** Resolves with the milliseconds since `fromMs`. Throws for an answer that must not be, or none in time. */
export async function firstAnswerMs(
  { origin, authorization, path, body, answer, earlierStatus }: Question,
  fromMs: number,
  signal: AbortSignal,
): Promise<number> {
  const client = new HttpClient(origin, { authorization, 'content-type': 'application/json' })
  try {
    while (performance.now() - fromMs < PATIENCE_MS) {
      const end = await client.call({ method: 'POST', path, body, patienceMs: PATIENCE_MS })
      if (end.how === 'answered' && end.answer.status === 200) {
        const text = end.answer.body.toString()
        if (text === answer) return performance.now() - fromMs
        throw new Error(`${path} answered ${text}`)
      }
      if (!isTooEarly(end, earlierStatus)) throw new Error(`${path}: ${inWords(end)}`)
      await delay(ASK_EVERY_MS, undefined, { signal })
    }
  } finally {
    client.close()
  }
  throw new Error(`${path} gave no answer in ${PATIENCE_MS / 1000} s`)
}

function isTooEarly(end: CallEnd, earlierStatus: number | undefined): boolean {
  if (end.how === 'answered') return end.answer.status === earlierStatus
  return end.how === 'lost' && end.reason.includes('ECONNREFUSED')
}

function inWords(end: CallEnd): string {
  if (end.how === 'answered') return `${end.answer.status} ${end.answer.body.toString()}`
  return end.how === 'lost' ? `lost (${end.reason})` : end.how
}
