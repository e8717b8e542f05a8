// Whose an Idempotency-Key is. Clients choose their keys, so two of them may choose the same one, or one
// may learn another's: a key is its owner's own, and nobody is given an answer to somebody else.
//
// On public routes nobody is verified, and the function may judge for itself: there, who sends the same
// credentials is the same.

import { createHash } from 'node:crypto'
import type { CallHead } from '../../dispatch/answer-handler.js'
import { bearerOf } from '../bearer.js'
import { valuesOf } from '../request-head.js'

const CREDENTIAL_FIELDS = ['authorization', 'cookie', 'x-api-key']

/** Text of one short length, the same for all requests of one owner. */
export function ownerOf({ principal, headers }: CallHead): string {
  const identity =
    principal === null
      ? CREDENTIAL_FIELDS.map((name) => [name, valuesOf(headers, name)])
      : bearerOf(principal)
  return createHash('sha256').update(JSON.stringify(identity)).digest('base64')
}
