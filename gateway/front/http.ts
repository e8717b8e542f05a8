// The public port: from a request's head to an invocation. Reads method, path and headers, finds the
// route, verifies the token, checks the limits; `http-call.ts` takes it from there. Nothing of a body is
// needed for this, and none is ever parsed.

import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js'
import type { Logger } from 'pino'
import { CallError } from '../../shared/errors.js'
import type { WirePrincipal } from '../../shared/frame.js'
import { newPeerId } from '../../shared/subjects.js'
import { type Authenticator, AuthFailure, type Principal } from '../auth.js'
import type { Dispatcher } from '../dispatch/dispatcher.js'
import type { Functions, RouteTarget } from '../functions.js'
import { challengeOf } from './challenge.js'
import { HttpCall } from './http-call.js'
import { type Framing, readFraming } from './request-framing.js'
import type { Uws } from './uws.js'

export interface FrontOptions {
  readonly functions: Functions
  readonly authenticator: Authenticator
  readonly dispatcher: Dispatcher
  readonly log: Logger
}

export interface PublicServer {
  readonly port: number
  /** Takes no new connections; those that are open go on. */
  stopListening(): void
  /** Cuts what is still open. */
  close(): void
}

export class PortTaken extends Error {
  override readonly name = 'PortTaken'
}

/** What the head of a request says, read while uWebSockets.js lets us. */
export interface RequestHead {
  readonly method: string
  readonly path: string
  /** Path and query. */
  readonly url: string
  readonly host: string
  readonly authorization: string
  /** Without `authorization`. */
  readonly headers: string[]
  readonly framing: Framing
}

/** Listens; throws PortTaken. */
export async function servePublic(
  uws: Uws,
  options: FrontOptions,
  host: string,
  port: number,
): Promise<PublicServer> {
  const front = new Front(options)
  const app = uws.App()
  app.any('/*', (res, req) => front.onRequest(res, req))
  const socket = await new Promise<us_listen_socket>((resolve, reject) => {
    app.listen(host, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (listening) => {
      if (listening) resolve(listening)
      else
        reject(
          new PortTaken(
            `Port ${port} on ${host} is taken, or may not be used. Stop what listens there, or choose another with --port.`,
          ),
        )
    })
  })
  let isListening = true
  const stopListening = () => {
    if (isListening) uws.us_listen_socket_close(socket)
    isListening = false
  }
  return {
    port: uws.us_socket_local_port(socket),
    stopListening,
    close() {
      stopListening()
      app.close()
    },
  }
}

class Front {
  readonly #options: FrontOptions
  readonly #callIdPrefix = newPeerId()
  #calls = 0

  constructor(options: FrontOptions) {
    this.#options = options
  }

  onRequest(res: HttpResponse, req: HttpRequest): void {
    const head = readHead(req)
    const callId = `${this.#callIdPrefix}${(this.#calls++).toString(36)}`
    const call = new HttpCall(res, head, callId, this.#options)
    if (head.framing === 'refused') {
      call.refuse(
        new CallError('bad_request', 'Send one Content-Length, or one Transfer-Encoding: chunked.'),
        { closesConnection: true },
      )
      return
    }
    const match = this.#options.functions.match(head.method, head.host, head.path)
    switch (match.kind) {
      case 'found':
        return this.#authorize(call, head, match.target, match.params)
      case 'wrong_method':
        return call.refuse(
          new CallError(
            'method_not_allowed',
            `This path takes ${match.allow.join(', ') || 'WebSocket upgrades only'}.`,
          ),
          { headers: ['allow', match.allow.join(', ')] },
        )
      case 'bad_path':
        return call.refuse(
          new CallError('bad_request', 'The path has a byte or an escape that no path may have.'),
        )
      case 'none':
        return call.refuse(new CallError('not_found', `No function has a route for ${head.path}.`))
      default:
        match satisfies never
    }
  }

  #authorize(
    call: HttpCall,
    head: RequestHead,
    target: RouteTarget,
    params: Readonly<Record<string, string>>,
  ): void {
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
      (error) => this.#refuseToken(call, error),
    )
  }

  #admit(
    call: HttpCall,
    target: RouteTarget,
    params: Readonly<Record<string, string>>,
    principal: Principal,
  ): void {
    const missing = target.scopes.filter((scope) => !principal.scopes.has(scope))
    if (missing.length > 0) {
      call.refuse(new CallError('forbidden', `The token lacks the scope ${missing.join(' ')}.`), {
        headers: ['www-authenticate', challengeOf('insufficient_scope', target.scopes)],
      })
      return
    }
    call.start(target, params, toWire(principal))
  }

  #refuseToken(call: HttpCall, error: unknown): void {
    if (!(error instanceof AuthFailure)) {
      this.#options.log.error({ err: error }, 'verifying a token failed')
      return call.refuse(new CallError('internal', 'The token could not be verified.'))
    }
    if (error.reason === 'keys_unavailable') {
      this.#options.log.error({ err: error.cause ?? error }, error.message)
      return call.refuse(new CallError('unavailable', error.message, { retryAfterSeconds: 1 }))
    }
    const challenge =
      error.reason === 'missing'
        ? challengeOf(null, [])
        : challengeOf('invalid_token', [], error.message)
    call.refuse(new CallError('unauthenticated', error.message), {
      headers: ['www-authenticate', challenge],
    })
  }
}

function readHead(req: HttpRequest): RequestHead {
  const headers: string[] = []
  let authorization = ''
  let host = ''
  let contentLengths: string[] = NONE
  let transferEncodings: string[] = NONE
  req.forEach((name, value) => {
    switch (name) {
      case 'authorization':
        authorization = value
        return
      case 'content-length':
        contentLengths = [...contentLengths, value]
        break
      case 'transfer-encoding':
        transferEncodings = [...transferEncodings, value]
        return
      case 'host':
        host = value
        break
    }
    headers.push(name, value)
  })
  const path = req.getUrl()
  const query = req.getQuery()
  const hasBodyFields = contentLengths !== NONE || transferEncodings !== NONE
  return {
    // `WS` is the route table's word for an upgrade, never a method that a client may send.
    method: req.getCaseSensitiveMethod().replace(/^WS$/, 'ws'),
    path,
    url: query === undefined || query === '' ? path : `${path}?${query}`,
    host,
    authorization,
    headers,
    framing: hasBodyFields ? readFraming({ contentLengths, transferEncodings }) : null,
  }
}

const NONE: string[] = []

// One token serves many calls: its claims are put into wire form once.
const wirePrincipals = new WeakMap<Principal, WirePrincipal>()

function toWire(principal: Principal): WirePrincipal {
  let wire = wirePrincipals.get(principal)
  if (wire === undefined) {
    wire = { subject: principal.subject, scopes: [...principal.scopes], claims: principal.claims }
    wirePrincipals.set(principal, wire)
  }
  return wire
}
