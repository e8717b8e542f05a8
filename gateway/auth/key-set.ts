// A JSON Web Key Set as text: which of its keys can verify tokens, and whether any can.

import { createPublicKey, type JsonWebKey } from 'node:crypto'
import type { JWTVerifyGetKey } from 'jose'
import { createLocalJWKSet } from 'jose/jwks/local'
import { algorithmOf } from './single-key.js'

/** @throws Error with what is wrong with it, or jose's */
export function readKeySet(text: string): JWTVerifyGetKey {
  return createLocalJWKSet(JSON.parse(text))
}

/**
 * For the start, where a set without a use is a mistake. Later it is what an issuer says who has withdrawn all.
 * @throws Error with what is wrong with it, in words that repeat nothing of it: it may be another file, with a secret
 */
export function readFirstKeySet(text: string): JWTVerifyGetKey {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('it is not JSON')
  }
  const keys: unknown = (value as { keys?: unknown } | null)?.keys
  if (!Array.isArray(keys)) throw new Error('it is no JSON Web Key Set')
  if (!keys.some(isUsable)) {
    throw new Error(
      'it has no public key that can verify a token: RSA of 2048 bits or more, EC on P-256, or Ed25519',
    )
  }
  return readKeySet(text)
}

/** As jose chooses among them. */
function isUsable(jwk: JsonWebKey): boolean {
  try {
    if (jwk.d !== undefined || (jwk.use ?? 'sig') !== 'sig') return false
    const algorithm = algorithmOf(createPublicKey({ key: jwk, format: 'jwk' }))
    return jwk.alg === undefined || jwk.alg === algorithm
  } catch {
    return false
  }
}
