// Who may call what: finds the route, verifies the token, checks the scopes. The same for requests and
// for WebSockets; `http-call.ts` and `socket-call.ts` take it from there. Nothing of a body is needed for
// this, and none is ever parsed.

import type { Logger } from 'pino'
import { CallError } from '../../shared/errors.js'
import { type Authenticator, AuthFailure, type Principal } from '../auth/authenticator.js'
import type { Functions, RouteTarget } from '../functions.js'
import { challengeOf } from './challenge.js'
import type { RequestHead } from './request-head.js'
import type { AfterAnswer } from './response-writer.js'

/** A request that waits to be let in. Exactly one of its methods is called, once. */
export interface PendingCall {
  /** The route is found, and the caller may use it. */
  start(
    target: RouteTarget,
    params: Readonly<Record<string, string>>,
    principal: Principal | null,
  ): void
  /** Answers with an error instead of calling. */
  refuse(error: CallError, how?: Refusal): void
}

export interface Refusal {
  /** Further headers, names and values in turn. */
  readonly headers?: readonly string[]
  /** Default: it stays, unless the gateway is leaving. */
  readonly connection?: Exclude<AfterAnswer, 'keep'>
  /** Where the route is found: what the caller may not use, or not so. */
  readonly target?: RouteTarget
}

export interface AdmissionOptions {
  readonly functions: Functions
  readonly authenticator: Authenticator
  readonly log: Logger
}

/** RFC 9110, 7.2: a name or an address, and perhaps a port; nothing where the target has no authority. */
const HOST = /^(?:[\w.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?$/

/** Stands where the engine could not decode what the client sent: nobody knows any more what that was. */
const REPLACEMENT = '\ufffd'

/** They are asked for again after so long. */
const KEYS_RETRY_AFTER_SECONDS = 5

export class Admission {
  readonly #options: AdmissionOptions
  /** Most clients send the same one. */
  #goodHost = ''

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** @param method the request's, or `WS` for an upgrade */
  decide(call: PendingCall, method: string, head: RequestHead): void {
    if (!this.#isGood(head.host)) {
      const error = new CallError('bad_request', 'The Host is no name or address.')
      return call.refuse(error, { connection: 'cut' })
    }
    // The path is checked where it is looked for.
    if (head.url.includes(REPLACEMENT)) {
      const error = new CallError(
        'bad_request',
        'The query has bytes that are not UTF-8: escape them.',
      )
      return call.refuse(error, { connection: 'cut' })
    }
    const match = this.#options.functions.match(method, head.host, head.path)
    switch (match.kind) {
      case 'found':
        return this.#authorize(call, head, match.target, match.params)
      case 'wrong_method':
        return call.refuse(...wrongMethod(match.allow, match.upgrade))
      case 'bad_path':
        return call.refuse(
          new CallError(
            'bad_request',
            'The path has a byte, an escape or a dot segment that no path may have.',
          ),
          { connection: 'cut' },
        )
      case 'none':
        return call.refuse(new CallError('not_found', `No function has a route for ${head.path}.`))
      default:
        match satisfies never
    }
  }

  #isGood(host: string): boolean {
    if (host === this.#goodHost) return true
    if (!HOST.test(host)) return false
    this.#goodHost = host
    return true
  }

  #authorize(
    call: PendingCall,
    head: RequestHead,
    target: RouteTarget,
    params: Readonly<Record<string, string>>,
  ): void {
    if (head.hasTwoAuthorizations) {
      return call.refuse(new CallError('bad_request', 'Send one Authorization.'), { target })
    }
    if (target.isPublic) {
      // Nobody has verified it: it is the function's own to judge.
      if (head.authorization !== '') head.headers.push('authorization', head.authorization)
      return call.start(target, params, null)
    }
    const { authenticator } = this.#options
    const known = authenticator.verifyCached(head.authorization)
    if (known !== undefined) return this.#admit(call, target, params, known)
    authenticator.verify(head.authorization).then(
      (principal) => this.#admit(call, target, params, principal),
      (error) => this.#refuseToken(call, target, error),
    )
  }

  #admit(
    call: PendingCall,
    target: RouteTarget,
    params: Readonly<Record<string, string>>,
    principal: Principal,
  ): void {
    for (const scope of target.scopes) {
      if (principal.scopes.has(scope)) continue
      const challenge = challengeOf('insufficient_scope', target.scopes)
      return call.refuse(new CallError('forbidden', `The token lacks the scope ${scope}.`), {
        headers: ['www-authenticate', challenge],
        target,
      })
    }
    call.start(target, params, principal)
  }

  #refuseToken(call: PendingCall, target: RouteTarget, error: unknown): void {
    if (!(error instanceof AuthFailure)) {
      this.#options.log.error({ err: error }, 'verifying a token failed')
      return call.refuse(new CallError('internal', 'The token could not be verified.'), { target })
    }
    if (error.reason === 'keys_unavailable') {
      // `auth/kept-keys.ts` has logged it: once, not with every call.
      const retry = { retryAfterSeconds: KEYS_RETRY_AFTER_SECONDS }
      return call.refuse(new CallError('unavailable', error.message, retry), { target })
    }
    const challenge =
      error.reason === 'missing'
        ? challengeOf(null, [])
        : challengeOf('invalid_token', [], error.message)
    call.refuse(new CallError('unauthenticated', error.message), {
      headers: ['www-authenticate', challenge],
      target,
    })
  }
}

function wrongMethod(allow: readonly string[], takesUpgrade: boolean): [CallError, Refusal] {
  if (allow.length === 0 && takesUpgrade) {
    const error = new CallError('upgrade_required', 'This path takes WebSockets only.')
    return [error, { headers: ['upgrade', 'websocket', 'connection', 'Upgrade'] }]
  }
  const methods = allow.join(', ')
  return [
    new CallError('method_not_allowed', `This path takes ${methods}.`),
    { headers: ['allow', methods] },
  ]
}
