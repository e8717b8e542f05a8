import type { CallHead } from '../../../../gateway/dispatch/answer-handler.js'
import { RequestFingerprint } from '../../../../gateway/front/idempotency/request-fingerprint.js'

/** The same each time. */
export function anyRequest(): RequestFingerprint {
  return new RequestFingerprint(
    { method: 'POST', url: '/', headers: [] } as unknown as CallHead,
    null,
    false,
  )
}
