// Errors as Callgate promises them: `application/problem+json` with a code of the closed list, each with
// its one status. Written down here once more, from the README: the client does not trust the server.

import type { HttpAnswer } from './http-answer.js'

const CODES_BY_STATUS: Readonly<Record<number, readonly string[]>> = {
  400: ['bad_request'],
  401: ['unauthenticated'],
  403: ['forbidden'],
  404: ['not_found'],
  405: ['method_not_allowed'],
  406: ['not_acceptable'],
  409: ['conflict'],
  413: ['payload_too_large'],
  415: ['unsupported_media_type'],
  422: ['invalid_input'],
  426: ['upgrade_required'],
  429: ['rate_limited'],
  499: ['cancelled'],
  500: ['function_failed', 'internal'],
  502: ['runner_lost', 'protocol_error'],
  503: [
    ...['no_capacity', 'unavailable', 'transport_unavailable', 'draining'],
    ...['load_failed', 'load_timeout'],
  ],
  504: ['timed_out', 'first_byte_timed_out', 'idle_timed_out'],
}

/** The code of the error that this answer is, or undefined where it is no such error. */
export function problemCode({ status, headers, body }: HttpAnswer): string | undefined {
  if (headers.get('content-type') !== 'application/problem+json') return undefined
  try {
    const problem = JSON.parse(body.toString('utf8'))
    const isRight =
      problem.status === status &&
      problem.callId === headers.get('x-call-id') &&
      CODES_BY_STATUS[status]?.includes(problem.code) &&
      (status !== 503 || problem.code === 'unavailable' || headers.has('retry-after'))
    return isRight ? problem.code : undefined
  } catch {
    return undefined
  }
}
