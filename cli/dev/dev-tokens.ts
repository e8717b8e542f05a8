// Tokens that `callgate dev` prints: one that opens every function, and another one when a function
// appears that asks for a scope which the last one has not.

import type { Manifest } from '../../shared/manifest.js'
import type { DevelopmentKey } from '../development-key.js'

export const DEV_TOKEN_TTL = '12h'

interface Expected {
  readonly issuer?: string | undefined
  readonly audience?: readonly string[] | undefined
}

export class DevTokens {
  readonly #key: DevelopmentKey
  readonly #expected: Expected
  readonly #scopes = new Set<string>()
  #isIssued = false

  /** @param expected what the gateway is configured to require */
  constructor(key: DevelopmentKey, expected: Expected) {
    this.#key = key
    this.#expected = expected
  }

  /** Null where the last token will do. */
  async tokenFor(manifests: readonly Manifest[]): Promise<string | null> {
    const needed = manifests.flatMap(({ auth }) => (auth === 'public' ? [] : auth.scopes))
    if (this.#isIssued && needed.every((scope) => this.#scopes.has(scope))) return null
    this.#isIssued = true
    for (const scope of needed) this.#scopes.add(scope)
    return this.#key.sign({
      subject: 'developer',
      scope: this.#scopes.size > 0 ? [...this.#scopes].join(' ') : undefined,
      ttl: DEV_TOKEN_TTL,
      issuer: this.#expected.issuer,
      audience: this.#expected.audience?.[0],
    })
  }
}
