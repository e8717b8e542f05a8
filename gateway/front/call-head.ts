// What the dispatcher is told of a call: from its route, its request's head and its principal.

import type { FlatHeaders, WirePrincipal } from '../../shared/frame.js'
import type { Principal } from '../auth/authenticator.js'
import type { CallHead } from '../dispatch/answer-handler.js'
import { hashOf } from '../dispatch/pick-runner.js'
import type { RouteTarget } from '../functions.js'
import { bearerOf } from './bearer.js'
import { type RequestHead, valuesOf } from './request-head.js'

/** Names of the claims that give a principal more than its equal share. */
export interface StandingClaims {
  readonly priorityClaim: string
  readonly weightClaim: string
}

/** What a route has found: where the call goes, and who makes it. */
export interface Route {
  readonly target: RouteTarget
  readonly params: Readonly<Record<string, string>>
  readonly principal: Principal | null
}

const MOST_PRIORITY = 5
const MOST_WEIGHT = 100
/** RFC 9110, 9.2.2; TRACE is not served. */
const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])

/** What the queue and the wire know of a principal. */
interface Standing {
  readonly wire: WirePrincipal | null
  readonly fairnessKey: string
  readonly priority: number
  readonly weight: number
}

const NOBODY: Standing = { wire: null, fairnessKey: '', priority: 0, weight: 1 }

export class CallHeads {
  readonly #claims: StandingClaims
  /** One token serves many calls: it is put into this form once. */
  readonly #standings = new WeakMap<Principal, Standing>()

  constructor(claims: StandingClaims) {
    this.#claims = claims
  }

  /** @param method the request's, or `WS` */
  of(
    { target, params, principal }: Route,
    head: RequestHead,
    method: string,
    callId: string,
  ): CallHead {
    const { wire, fairnessKey, priority, weight } =
      principal === null ? NOBODY : this.#standingOf(principal)
    return {
      functionName: target.functionName,
      callId,
      timeoutMs: target.timeoutMs,
      firstByteMs: target.firstByteMs,
      idleMs: target.idleMs,
      method,
      url: head.url,
      params,
      headers: head.headers,
      principal: wire,
      fairnessKey,
      priority,
      weight,
      affinityHash:
        target.affinity === null ? null : affinityHash(target.affinity, head.headers, params, wire),
      isIdempotent:
        target.isIdempotent ?? (IDEMPOTENT_METHODS.has(method) || head.idempotencyKey !== null),
      maxAttempts: target.maxAttempts,
    }
  }

  #standingOf(principal: Principal): Standing {
    const known = this.#standings.get(principal)
    if (known !== undefined) return known
    const { subject, scopes, claims } = principal
    const { priorityClaim, weightClaim } = this.#claims
    const standing: Standing = {
      wire: { subject, scopes: [...scopes], claims },
      fairnessKey: JSON.stringify(bearerOf({ subject, claims })),
      priority: within(-MOST_PRIORITY, claims[priorityClaim] ?? 0, MOST_PRIORITY, 0),
      weight: within(1, claims[weightClaim] ?? 1, MOST_WEIGHT, 1),
    }
    this.#standings.set(principal, standing)
    return standing
  }
}

/** Null where the call does not have it: then any runner will do. */
function affinityHash(
  affinity: NonNullable<RouteTarget['affinity']>,
  headers: FlatHeaders,
  params: Readonly<Record<string, string>>,
  principal: WirePrincipal | null,
): number | null {
  let value: unknown
  if ('header' in affinity) value = valuesOf(headers, affinity.header)[0]
  else if ('param' in affinity) value = params[affinity.param]
  else value = principal?.claims[affinity.claim]
  return typeof value === 'string' || typeof value === 'number' ? hashOf(String(value)) : null
}

/** A whole number within bounds; `otherwise` for what is none. */
function within(least: number, value: unknown, most: number, otherwise: number): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return otherwise
  return Math.min(Math.max(Math.trunc(value), least), most)
}
