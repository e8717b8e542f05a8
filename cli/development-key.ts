// The key that signs tokens for development: an ES256 pair under `.callgate/`, made the first time. The
// gateway gets the public half as a key set, so that it verifies as it does in production.

import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'

export const DEVELOPMENT_ALGORITHM = 'ES256'

export interface DevelopmentKey {
  /** A JSON Web Key Set with the public key. */
  readonly jwksFile: string
  sign(claims: TokenClaims): Promise<string>
}

export interface TokenClaims {
  readonly subject: string
  /** Scopes, separated by spaces. */
  readonly scope?: string | undefined
  /** `90s`, `15m`, `1h`, `7d`. */
  readonly ttl: string
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  /** Any others. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
}

/** Opens the key under `stateDir`, making it the first time. */
export async function openDevelopmentKey(stateDir: string): Promise<DevelopmentKey> {
  const jwk = await readOrMake(join(stateDir, 'development-key.json'))
  const jwksFile = join(stateDir, 'jwks.json')
  const { d: _private, ...publicJwk } = jwk
  await replaceFile(jwksFile, JSON.stringify({ keys: [publicJwk] }, null, 2), 0o644)
  const key = await importJWK(jwk, DEVELOPMENT_ALGORITHM)
  return {
    jwksFile,
    sign({ subject, scope, ttl, issuer, audience, claims }) {
      const token = new SignJWT({ ...claims, ...(scope === undefined ? {} : { scope }) })
        .setProtectedHeader({ alg: DEVELOPMENT_ALGORITHM, kid: jwk.kid! })
        .setSubject(subject)
        .setIssuedAt()
        .setExpirationTime(ttl)
      if (issuer !== undefined) token.setIssuer(issuer)
      if (audience !== undefined) token.setAudience(audience)
      return token.sign(key)
    },
  }
}

async function readOrMake(file: string): Promise<JWK> {
  const known = await readFile(file, 'utf8').catch(() => null)
  if (known !== null) return JSON.parse(known) as JWK
  const { privateKey } = await generateKeyPair(DEVELOPMENT_ALGORITHM, { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), alg: DEVELOPMENT_ALGORITHM, use: 'sig' }
  const named = { ...jwk, kid: await calculateJwkThumbprint(jwk) }
  await replaceFile(file, JSON.stringify(named, null, 2), 0o600)
  return named
}

// Whole or not at all: another process may read it at any moment.
async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}`
  await writeFile(temporary, text, { mode })
  await chmod(temporary, mode)
  await rename(temporary, file)
}
