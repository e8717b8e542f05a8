// The admin port: health for orchestrators, the fleet and metrics for operators. No authentication, so it listens on
// loopback unless told otherwise.

import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import type { Logger } from 'pino'
import { listen } from './listen.js'
import type { Uws } from './uws.js'

export interface AdminSources {
  /** Null when the gateway can serve calls, otherwise why it cannot. */
  readonly whyNotReady: () => string | null
  /** The answer of /fleet. */
  readonly fleet: () => unknown
  /** The answer of /metrics. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>
  readonly log: Logger
}

export interface AdminServer {
  readonly port: number
  close(): void
}

const PATHS = ['/healthz', '/readyz', '/fleet', '/metrics']

/** Listens; throws PortTaken. */
export async function serveAdmin(
  uws: Uws,
  sources: AdminSources,
  host: string,
  port: number,
): Promise<AdminServer> {
  const app = uws.App()
  // By any method: load balancers ask with HEAD or OPTIONS as well.
  app.any('/healthz', (res, req) => sendJson(res, req, '200 OK', { status: 'ok' }))
  app.any('/readyz', (res, req) => {
    const reason = sources.whyNotReady()
    if (reason === null) sendJson(res, req, '200 OK', { status: 'ready' })
    else sendJson(res, req, '503 Service Unavailable', { status: 'not ready', reason })
  })
  app.get('/fleet', (res, req) => sendJson(res, req, '200 OK', sources.fleet()))
  app.get('/metrics', (res) => void sendMetrics(res, sources))
  app.any('/*', (res, req) => sendJson(res, req, '404 Not Found', { paths: PATHS }))
  const socket = await listen(uws, app, host, port, { flag: '--admin-port' })
  return { port: uws.us_socket_local_port(socket), close: () => void app.close() }
}

async function sendMetrics(res: HttpResponse, sources: AdminSources): Promise<void> {
  let isAborted = false
  res.onAborted(() => {
    isAborted = true
  })
  const answer = await sources.metrics().catch((error) => {
    sources.log.error({ err: error }, 'the metrics cannot be read')
    return null
  })
  if (isAborted) return
  res.cork(() => {
    if (answer === null) res.writeStatus('500 Internal Server Error').end()
    else res.writeHeader('content-type', answer.contentType).end(answer.text)
  })
}

function sendJson(res: HttpResponse, req: HttpRequest, status: string, value: unknown): void {
  const isHead = req.getMethod() === 'head'
  const text = JSON.stringify(value)
  res.cork(() => {
    res.writeStatus(status).writeHeader('content-type', 'application/json')
    if (isHead) res.endWithoutBody(Buffer.byteLength(text))
    else res.end(text)
  })
}
