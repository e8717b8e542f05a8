// One key as text: a public key in PEM, or the secret of HS256. The kind of key says which algorithm it
// verifies, so that a public key is never tried as a secret.

import { createPublicKey, type KeyObject } from 'node:crypto'

export interface SingleKey {
  readonly algorithm: string
  readonly key: KeyObject | Uint8Array
}

/** @throws Error with what is wrong with it */
export function readSingleKey(text: string): SingleKey {
  if (!text.trimStart().startsWith('-----BEGIN')) return { algorithm: 'HS256', key: secretOf(text) }
  if (text.includes('PRIVATE KEY')) {
    throw new Error('The JWT key is a private key: give the gateway only the public one.')
  }
  const key = createPublicKey(text)
  return { algorithm: algorithmOf(key), key }
}

function secretOf(text: string): Uint8Array {
  const secret = new TextEncoder().encode(text)
  // RFC 7518, 3.2: the secret is at least as long as the hash.
  if (secret.length < 32) throw new Error('A JWT secret for HS256 needs 32 bytes or more.')
  if (/^\s*\{/.test(text)) throw new Error('The JWT key is JSON: put key sets in a JWKS file.')
  return secret
}

/** @throws Error when it verifies none of ours */
export function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA'
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1') {
    return 'ES256'
  }
  if (asymmetricKeyType === 'rsa' && asymmetricKeyDetails!.modulusLength! >= 2048) return 'RS256'
  throw new Error('The JWT key must be RSA of 2048 bits or more, EC on P-256, or Ed25519.')
}
