// Who is calling: verifies the JSON Web Token of a request and remembers the answer. front/ asks
// verifyCached first, in the same turn, and awaits verify only for a token that is new; what a
// principal may do is not decided here. The algorithm is pinned by the configuration and by the
// kind of key, never by the token: a public key is never tried as an HMAC secret.
// A principal is remembered for two minutes at most and never past its token's exp, so a key that was
// withdrawn stops working by itself. Where the keys come from is `key-source.ts`.

import { performance } from 'node:perf_hooks'
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import * as errors from 'jose/errors'
// By their own names: all of jose is 46 modules, these are twelve, and a gateway that starts loads each.
import { jwtVerify } from 'jose/jwt/verify'
import { LRUCache } from 'lru-cache'
import { ConfigError, variableName } from '../../shared/config.js'
import { KeysUnavailable } from './kept-keys.js'
import { type KeySourceConfig, keySource, PUBLIC_KEY_ALGORITHMS } from './key-source.js'

/** Without a source of keys every token is refused. */
export interface AuthConfig extends KeySourceConfig {
  /** Of HS256, RS256, ES256 and EdDSA; a token signed with another one is refused. */
  algorithms: readonly string[]
  /** The value that `iss` must have. */
  issuer?: string | undefined
  /** The values of which `aud` must have one. */
  audience?: string | readonly string[] | undefined
  /** At least 1. */
  cacheMaxTokens: number
  /** How far the clocks of issuer and gateway may be apart. */
  clockToleranceMs: number
  /** False also accepts a token without `exp`. Default true. */
  requireExpiry?: boolean | undefined
  /** The time of day, which `exp` is a matter of. */
  now?: (() => number) | undefined
}

/** The verified caller. One object serves all requests with the same token: do not change it. */
export interface Principal {
  /** The `sub` claim. */
  readonly subject: string | null
  /** From `scope` and `scp`, each a list or a text with spaces. */
  readonly scopes: ReadonlySet<string>
  readonly claims: Readonly<Record<string, unknown>>
  /** Infinity for a token without `exp`. */
  readonly expiresAtMs: number
}

export type AuthFailureReason =
  | 'missing'
  | 'malformed'
  | 'invalid'
  | 'expired'
  /** The gateway cannot get its keys: nothing is wrong with the token, and a retry may work. */
  | 'keys_unavailable'

/** Why a caller is not let in; the message may be sent to the client, the cause may not. */
export class AuthFailure extends Error {
  override name = 'AuthFailure'
  readonly reason: AuthFailureReason

  constructor(reason: AuthFailureReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

// Bounds the text that is hashed, kept in the cache and parsed; identity providers stay below 4 KiB.
const MAX_TOKEN_CHARS = 8 * 1024
// Finds a token's entry by the end of its signature, since hashing all its text would take most
// of a lookup's time. 192 bits do not collide; the full text still decides.
const CACHE_KEY_CHARS = 32
const MAX_CACHE_AGE_MS = 2 * 60_000

/** @throws ConfigError when the configuration contradicts itself or its key cannot be read. */
export function createAuthenticator(config: AuthConfig): Authenticator {
  for (const algorithm of config.algorithms) {
    if (algorithm !== 'HS256' && !PUBLIC_KEY_ALGORITHMS.includes(algorithm)) {
      throw new Error(`JWT algorithm "${algorithm}" is not one of HS256, RS256, ES256 and EdDSA.`)
    }
  }
  const keys = keySource(config)
  if (keys === undefined) {
    if (config.algorithms.includes('HS256')) {
      throw new ConfigError([
        `${variableName('algorithms')}: HS256 needs its secret, in ${variableName('jwtKeyFile')}`,
      ])
    }
    return new Authenticator(config, [], undefined)
  }
  const algorithms = config.algorithms.filter((algorithm) => keys.algorithms.includes(algorithm))
  if (algorithms.length === 0) {
    const key = config.keyFile === undefined ? 'a key set' : 'the key'
    const [accepted, possible] = [config.algorithms, keys.algorithms].map((names) =>
      names.join(', '),
    )
    throw new ConfigError([
      `${variableName('algorithms')}: accepts ${accepted}, and ${key} that is configured verifies ${possible}`,
    ])
  }
  return new Authenticator(config, algorithms, keys.resolve)
}

interface CacheEntry {
  /** The header in its usual spelling, which need not be taken apart to be found again. */
  authorization: string
  principal: Principal
  /** By a clock that does not step: one that is set back must not make it last. */
  rememberedUntilMs: number
}

export class Authenticator {
  readonly #cache: LRUCache<string, CacheEntry>
  readonly #verifying = new Map<string, Promise<Principal>>()
  readonly #resolveKey: JWTVerifyGetKey | undefined
  readonly #options: JWTVerifyOptions
  readonly #now: () => number
  readonly #steadyNow: () => number

  constructor(config: AuthConfig, algorithms: string[], resolveKey: JWTVerifyGetKey | undefined) {
    this.#cache = new LRUCache({ max: config.cacheMaxTokens })
    this.#resolveKey = resolveKey
    this.#now = config.now ?? Date.now
    this.#steadyNow = config.steadyNow ?? (() => performance.now())
    this.#options = { algorithms, clockTolerance: config.clockToleranceMs / 1000 }
    if (config.issuer !== undefined) this.#options.issuer = config.issuer
    if (config.audience !== undefined) this.#options.audience = [config.audience].flat()
    if (config.requireExpiry !== false) this.#options.requiredClaims = ['exp']
  }

  /** The principal of a token that was verified a short while ago; costs well under 1 µs. */
  verifyCached(authorization: string): Principal | undefined {
    const cacheKey = authorization.slice(-CACHE_KEY_CHARS)
    const entry = this.#cache.get(cacheKey)
    if (entry === undefined || !isSame(entry.authorization, authorization)) return undefined
    const { principal, rememberedUntilMs } = entry
    const isValid = this.#now() < principal.expiresAtMs && this.#steadyNow() < rememberedUntilMs
    if (isValid) return principal
    this.#cache.delete(cacheKey)
    return undefined
  }

  /**
   * @param authorization the Authorization header, or an empty string.
   * @throws AuthFailure
   */
  async verify(authorization: string): Promise<Principal> {
    const token = bearerToken(authorization)
    if (token === undefined) throw notBearer(authorization)
    if (token.length > MAX_TOKEN_CHARS) {
      throw new AuthFailure('malformed', `The token is longer than ${MAX_TOKEN_CHARS} bytes.`)
    }
    const known = this.verifyCached(usualForm(token)) ?? this.#verifying.get(token)
    if (known !== undefined) return known
    const verifying = this.#verifyNew(token).finally(() => this.#verifying.delete(token))
    this.#verifying.set(token, verifying)
    return verifying
  }

  async #verifyNew(token: string): Promise<Principal> {
    if (this.#resolveKey === undefined) {
      throw new AuthFailure('invalid', 'No keys are configured on this gateway to verify a token.')
    }
    const nowMs = this.#now()
    const steadyNowMs = this.#steadyNow()
    const options = { ...this.#options, currentDate: new Date(nowMs) }
    let claims: JWTPayload
    try {
      claims = await verifiedClaims(token, this.#resolveKey, options)
    } catch (error) {
      throw explain(error, this.#options.algorithms ?? [])
    }
    const principal = principalOf(claims)
    // Within the clock tolerance a token outlives its exp, but is then verified every time.
    if (nowMs < principal.expiresAtMs) {
      const authorization = usualForm(token)
      const rememberedUntilMs = steadyNowMs + MAX_CACHE_AGE_MS
      this.#cache.set(token.slice(-CACHE_KEY_CHARS), {
        authorization,
        principal,
        rememberedUntilMs,
      })
    }
    return principal
  }
}

function bearerToken(authorization: string): string | undefined {
  const isBearer = authorization.startsWith('Bearer ') || /^bearer /i.test(authorization)
  if (!isBearer) return undefined
  return authorization.slice('Bearer '.length).trim()
}

/** Whether a header says the same as one in its usual spelling, which most of them have. */
function isSame(usual: string, authorization: string): boolean {
  return usual === authorization || usual === usualForm(bearerToken(authorization))
}

function usualForm(token: string | undefined): string {
  return `Bearer ${token}`
}

function notBearer(authorization: string): AuthFailure {
  if (authorization.trim() === '') {
    return new AuthFailure('missing', 'Send a token in the header "Authorization: Bearer <token>".')
  }
  return new AuthFailure('malformed', 'The Authorization header must read "Bearer <token>".')
}

async function verifiedClaims(
  token: string,
  resolveKey: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, resolveKey, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    // A token without a key id, while its issuer rotates keys: any of them may be the one.
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

function principalOf(claims: JWTPayload): Principal {
  return Object.freeze({
    subject: typeof claims.sub === 'string' ? claims.sub : null,
    scopes: new Set([...scopesIn(claims.scope), ...scopesIn(claims.scp)]),
    claims,
    expiresAtMs: claims.exp === undefined ? Number.POSITIVE_INFINITY : claims.exp * 1000,
  })
}

function scopesIn(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((scope) => scope !== '')
  return Array.isArray(claim) ? claim.filter((scope) => typeof scope === 'string') : []
}

function explain(error: unknown, algorithms: readonly string[]): AuthFailure {
  const fail = (reason: AuthFailureReason, message: string) =>
    new AuthFailure(reason, message, { cause: error })
  if (error instanceof KeysUnavailable) return fail('keys_unavailable', error.message)
  if (error instanceof errors.JWTExpired) {
    return fail('expired', 'The token has expired: get a new one.')
  }
  if (error instanceof errors.JWTClaimValidationFailed) return fail('invalid', claimFault(error))
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return fail('malformed', 'The token is not a signed JSON Web Token in compact form.')
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return fail('invalid', `The token must be signed with ${algorithms.join(' or ')}.`)
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return fail('invalid', 'The token is signed with a key that this gateway does not have.')
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return fail(
      'invalid',
      'The signature is wrong: the token was changed or signed by another key.',
    )
  }
  return fail('invalid', 'The token could not be verified: get a new one from its issuer.')
}

function claimFault({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `The token needs the claim "${claim}", which it does not have.`
  if (reason === 'invalid') return `The token's claim "${claim}" must be a number.`
  if (claim === 'nbf') return 'The token is not valid yet: wait, or check the clock of its issuer.'
  return `The token's claim "${claim}" has a value that this gateway does not accept.`
}
