// Whose an Idempotency-Key is. Clients choose their keys, so two of them may choose the same one, or one
// may learn another's: a key is its owner's own, and nobody is given an answer to somebody else.
//
// Of a verified token: its subject, as its issuer names it, since a key set may have keys of several
// issuers. A token without a subject: all that it says of its bearer. On public routes nobody is verified,
// and the function may judge for itself: there, who sends the same credentials is the same.

import { createHash } from 'node:crypto'
import type { WirePrincipal } from '../../../shared/frame.js'
import type { CallHead } from '../../dispatch/answer-handler.js'
import { valuesOf } from '../request-head.js'

const CREDENTIAL_FIELDS = ['authorization', 'cookie', 'x-api-key']
/** About the token and not its bearer: the next token of the same bearer has other ones. */
const TIME_CLAIMS = new Set(['iat', 'nbf', 'exp'])

/** Text of one short length, the same for all requests of one owner. */
export function ownerOf({ principal, headers }: CallHead): string {
  const identity =
    principal === null
      ? CREDENTIAL_FIELDS.map((name) => [name, valuesOf(headers, name)])
      : identityOf(principal)
  return createHash('sha256').update(JSON.stringify(identity)).digest('base64')
}

function identityOf({ subject, claims }: WirePrincipal): unknown {
  if (subject) return ['subject', claims.iss, subject]
  // Also `jti`: it may be all that tells two bearers apart. Sorted, because an issuer need not.
  const names = Object.keys(claims).filter((name) => !TIME_CLAIMS.has(name))
  return ['claims', names.sort().map((name) => [name, claims[name]])]
}
