// The public port: gives every request and every WebSocket its call. The calls live in `http-call.ts` and
// `socket-call.ts`; who may call what is `admission.ts`.

import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js'
import { CallError } from '../../shared/errors.js'
import type { Authenticator } from '../auth/authenticator.js'
import type { Dispatcher } from '../dispatch/dispatcher.js'
import type { Functions } from '../functions.js'
import type { CallMetrics } from '../metrics/call-metrics.js'
import { Admission } from './admission.js'
import { CallHeads, type StandingClaims } from './call-head.js'
import { CallIds } from './call-ids.js'
import { CallRecords } from './call-records.js'
import { Clients } from './clients.js'
import { CorkAnchor } from './cork-anchor.js'
import { Cors } from './cors.js'
import { Departures } from './departures.js'
import { readHandshake, withTokenFromProtocol } from './handshake.js'
import { HttpCall, type HttpCallOptions } from './http-call.js'
import { SharedAnswers, type SharedAnswersOptions } from './idempotency/shared-answers.js'
import { prepareKernelSockets } from './kernel-socket.js'
import { PublicPort, type PublicPortOptions } from './public-port.js'
import { readHead } from './request-head.js'
import { SocketCall, type SocketData } from './socket-call.js'
import { StallGuard } from './stall-guard.js'
import type { Uws } from './uws.js'

/** Pings go out by themselves, so that only a peer that is really gone falls silent for so long. */
const SOCKET_IDLE_SECONDS = 120
/** The engine's lengths are signed and of 32 bits. */
const MAX_ENGINE_BYTES = 2 ** 31 - 1

/** About a proxy or a connection, not a resource; a WHATWG Request cannot carry them either. */
const UNSERVED_METHODS = new Set(['TRACE', 'CONNECT', 'TRACK'])
const SERVED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

export interface PublicServerOptions
  extends PublicPortOptions,
    StandingClaims,
    SharedAnswersOptions {
  readonly functions: Functions
  readonly authenticator: Authenticator
  readonly dispatcher: Dispatcher
  /** Adds up those that have ended. */
  readonly calls: CallMetrics
  /** Whether a WebSocket ends with the token that opened it. */
  readonly socketExpiry: 'close' | 'ignore'
  /** Largest message of a WebSocket, whatever its function says. */
  readonly maxMessageBytes: number
  /** Origins whose pages may call, as `Cors` takes them; undefined: functions say so themselves. */
  readonly corsOrigins: readonly string[] | undefined
  /** Listens from then on; what takes a while is made ready before. */
  readonly opensAfter: Promise<void>
}

export interface PublicServer {
  readonly port: number
  /**
   * Takes no new connections, ends those that are kept alive behind their next answer, and sends the
   * WebSockets away (1012); calls go on.
   */
  drain(): void
  /** Nobody is left that waits for an answer, or is about to. */
  readonly isDrained: boolean
  /** Breaks off what is still open. */
  close(): void
}

/** Listens; throws PortTaken. */
export async function servePublic(uws: Uws, options: PublicServerOptions): Promise<PublicServer> {
  const anchor = await CorkAnchor.hold(uws)
  await prepareKernelSockets()
  await options.opensAfter
  const app = uws.App()
  const front = new Front(options, anchor)
  app.filter((_res, difference) => front.clients.onConnections(Number(difference)))
  app.ws<SocketData>('/*', {
    // The engine cuts what is over its own limit without a word; a function's limit is below and has 1009.
    maxPayloadLength: Math.min(2 * options.maxMessageBytes, MAX_ENGINE_BYTES),
    idleTimeout: SOCKET_IDLE_SECONDS,
    sendPingsAutomatically: true,
    // Bounded by the credit that the function is given, not by dropping messages.
    maxBackpressure: 0,
    compression: uws.SHARED_COMPRESSOR,
    upgrade: (res, req, context) => front.onUpgrade(res, req, context),
    open: (ws) => ws.getUserData().call.onOpen(ws),
    message: (ws, message, isBinary) => ws.getUserData().call.onClientMessage(message, isBinary),
    drain: (ws) => {
      if (ws.getBufferedAmount() === 0) ws.getUserData().call.onDrained()
    },
    close: (ws, code, reason) =>
      ws.getUserData().call.onClientClose(code, Buffer.from(reason).toString('utf8')),
  })
  app.any('/*', (res, req) => front.onRequest(res, req))
  let port: PublicPort
  try {
    port = await PublicPort.open(uws, app, options)
  } catch (error) {
    front.close()
    throw error
  }
  return {
    port: port.number,
    drain() {
      front.drain()
      void port.stop().then(() => front.clients.onQuiet())
    },
    get isDrained() {
      return !port.isListening && front.clients.areGone
    },
    close() {
      port.close()
      front.close()
      app.close()
    },
  }
}

class Front {
  readonly #options: PublicServerOptions
  readonly #anchor: CorkAnchor
  readonly #admission: Admission
  readonly #stalls = new StallGuard()
  readonly #callHeads: CallHeads
  readonly #httpOptions: HttpCallOptions
  readonly #callIds = new CallIds()
  readonly #cors: Cors | null
  readonly clients = new Clients()

  constructor(options: PublicServerOptions, anchor: CorkAnchor) {
    this.#options = options
    this.#anchor = anchor
    this.#admission = new Admission(options)
    const { dispatcher, log, calls, corsOrigins } = options
    this.#cors = corsOrigins === undefined ? null : new Cors(corsOrigins)
    this.#callHeads = new CallHeads(options)
    this.#httpOptions = {
      dispatcher,
      callHeads: this.#callHeads,
      sharedAnswers: new SharedAnswers(options),
      records: new CallRecords(log, calls),
      stalls: this.#stalls,
      clients: this.clients,
      departures: new Departures(() => dispatcher.flush()),
      cors: this.#cors,
    }
  }

  onRequest(res: HttpResponse, req: HttpRequest): void {
    this.#httpOptions.departures.onRequest()
    const head = readHead(req)
    const call = new HttpCall(res, head, this.#callIds.next(), this.#httpOptions)
    if (head.framing === 'refused') {
      const error = 'Send one Content-Length, or one Transfer-Encoding: chunked.'
      return call.refuse(new CallError('bad_request', error), { connection: 'cut' })
    }
    if (UNSERVED_METHODS.has(head.method)) {
      const error = new CallError('method_not_allowed', `${head.method} is not served here.`)
      return call.refuse(error, { headers: ['allow', SERVED_METHODS] })
    }
    const mayCall = this.#cors === null ? null : this.#cors.answer(head)
    if (mayCall === null) return this.#admission.decide(call, head.method, head)
    if (mayCall === 'yes') call.acknowledge()
    else call.refuse(mayCall)
  }

  onUpgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    const head = readHead(req)
    const handshake = readHandshake(head)
    const { dispatcher, socketExpiry, maxMessageBytes } = this.#options
    if ('error' in handshake || this.clients.areLeaving) {
      const call = new HttpCall(res, head, this.#callIds.next(), this.#httpOptions)
      if ('error' in handshake) return call.refuse(handshake.error, handshake.how)
      return call.refuse(shuttingDown(), { connection: 'cut' })
    }
    // One and the same for admission and call: it may be given the token to pass on.
    const tokenHead = withTokenFromProtocol(head, handshake)
    const call = new SocketCall(res, context, tokenHead, handshake, this.#callIds.next(), {
      dispatcher,
      callHeads: this.#callHeads,
      records: this.#httpOptions.records,
      closesOnExpiry: socketExpiry === 'close',
      maxMessageBytes,
      anchor: this.#anchor,
      clients: this.clients,
    })
    this.#admission.decide(call, 'WS', tokenHead)
  }

  /** WebSockets come back, to another gateway or to the next life of this one; calls go on. */
  drain(): void {
    this.clients.leave()
    for (const call of [...this.clients.sockets]) call.sendAway(shuttingDown())
  }

  close(): void {
    this.clients.leave()
    for (const call of this.clients.calls.items()) call.sendAway(shuttingDown())
    this.#stalls.close()
    this.#anchor.close()
  }
}

function shuttingDown(): CallError {
  return new CallError('draining', 'The gateway is shutting down.', { retryAfterSeconds: 1 })
}
