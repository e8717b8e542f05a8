// Errors as clients see them: `application/problem+json` (RFC 9457), from the closed list of codes. The member
// `error` is where the clients of OpenAI's interface look, also in an event of a stream: without it they show
// no reason, and take a stream's failure for a chunk without choices.

import { type CallError, errorMeaning } from '../../shared/errors.js'

export interface Problem {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: string
}

/** @param headers further ones, names and values in turn: `www-authenticate`, `allow` */
export function problemOf(
  error: CallError,
  callId: string,
  headers: readonly string[] = [],
): Problem {
  const { status, title } = errorMeaning[error.code]
  const retryAfter =
    error.retryAfterSeconds === undefined ? [] : ['retry-after', String(error.retryAfterSeconds)]
  return {
    status,
    headers: ['content-type', 'application/problem+json', ...retryAfter, ...headers],
    body: JSON.stringify({
      type: 'about:blank',
      title,
      status,
      code: error.code,
      detail: error.message,
      callId,
      ...(error.issues === undefined ? {} : { issues: error.issues }),
      error: { message: error.message, type: error.code, code: error.code },
    }),
  }
}
