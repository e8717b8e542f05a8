// The WWW-Authenticate field of RFC 6750.

/** @param error null where the request had no token at all */
export function challengeOf(
  error: 'invalid_token' | 'insufficient_scope' | null,
  scopes: readonly string[],
  description = '',
): string {
  const parts = ['realm="callgate"']
  if (error !== null) parts.push(`error="${error}"`)
  if (description !== '') parts.push(`error_description="${description.replaceAll(/["\\]/g, "'")}"`)
  if (scopes.length > 0) parts.push(`scope="${scopes.join(' ')}"`)
  return `Bearer ${parts.join(', ')}`
}
