// Who bears a verified token: its subject, as its issuer names it, since a key set may have keys of several
// issuers. A token without a subject: all that it says of its bearer.

import type { WirePrincipal } from '../../shared/frame.js'

/** About the token and not its bearer: the next token of the same bearer has other ones. */
const TIME_CLAIMS = new Set(['iat', 'nbf', 'exp'])

/** The same as JSON for all tokens of one bearer. */
export function bearerOf({ subject, claims }: Pick<WirePrincipal, 'subject' | 'claims'>): unknown {
  if (subject) return ['subject', claims.iss, subject]
  // Also `jti`: it may be all that tells two bearers apart. Sorted, because an issuer need not.
  const names = Object.keys(claims).filter((name) => !TIME_CLAIMS.has(name))
  return ['claims', names.sort().map((name) => [name, claims[name]])]
}
