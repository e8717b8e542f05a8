// A key pair for one load test, and a token signed with it: Callgate is measured as it is used, with
// authentication.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export const ALGORITHM = 'ES256'

// Longer than any load test.
const LIFETIME = '6h'

/** Writes the public key as a JWKS file into the directory. */
export async function issueAccessToken(
  directory: string,
): Promise<{ token: string; jwksFile: string }> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM)
  const key = { ...(await exportJWK(publicKey)), alg: ALGORITHM, kid: 'loadtest' }
  const jwksFile = join(directory, 'jwks.json')
  await writeFile(jwksFile, JSON.stringify({ keys: [key] }))
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: ALGORITHM, kid: key.kid })
    .setSubject('loadtest')
    .setIssuedAt()
    .setExpirationTime(LIFETIME)
    .sign(privateKey)
  return { token, jwksFile }
}
