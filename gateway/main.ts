// The gateway: wiring only. NATS -> registry and dispatcher -> public port and admin port.
//
// Its life:  starting -> ready -> leaving (not ready, but listening, for `drainDelayMs`) -> draining (takes no
// new connections, finishes its calls, for `drainMs` at most) -> closed.

import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { GatewayConfig } from '../shared/config.js'
import { CallError } from '../shared/errors.js'
import { connectNats, type NatsBus } from '../shared/nats.js'
import { Registry } from '../shared/registry.js'
import { subjectsIn } from '../shared/subjects.js'
import { VERSION } from '../shared/version.js'
import { type Authenticator, createAuthenticator } from './auth/authenticator.js'
import { Dispatcher } from './dispatch/dispatcher.js'
import { fleetStatus } from './fleet-status.js'
import { serveAdmin } from './front/admin.js'
import { servePublic } from './front/public-server.js'
import { loadUws } from './front/uws.js'
import { Functions } from './functions.js'
import { CallMetrics } from './metrics/call-metrics.js'
import { Metrics } from './metrics/metrics.js'

export interface Gateway {
  /** `http://host:port` of the public port, with the port that was really taken. */
  readonly url: string
  readonly adminUrl: string
  /** Drains, breaks off what is left, and closes. Idempotent. */
  close(): Promise<void>
}

/** How often the end of the last call is looked for. */
const DRAIN_POLL_MS = 20

const UNDEPLOYED = new CallError('not_found', 'The function has been undeployed.')

/** Throws NatsUnreachable, RegistryUnavailable, PortTaken or UwsUnavailable: each one sentence. */
export async function startGateway(config: GatewayConfig, log: Logger): Promise<Gateway> {
  const uws = await loadUws({ maxHeaderBytes: config.maxHeaderBytes })
  const authenticator = openAuthenticator(config, log)
  const bus = await connectNats(config, 'callgate gateway', log)
  const closers: (() => unknown)[] = [() => bus.close()]
  const closeAll = async () => {
    for (const close of closers.reverse()) await close()
  }
  try {
    const subjects = subjectsIn(config.namespace)
    const registry = await Registry.open(bus, subjects, { replicas: config.registryReplicas })
    const dispatcher = new Dispatcher({
      ...config,
      maxCallsPerPrincipal: config.maxCallsPerPrincipal ?? null,
      bus,
      subjects,
      log,
    })
    closers.push(() => dispatcher.close())
    const functions = await Functions.watch(registry, log, (now, before) => {
      for (const [name, { traffic }] of now) dispatcher.setTraffic(name, traffic)
      for (const name of before.keys())
        if (!now.has(name)) dispatcher.refuseWaiting(name, UNDEPLOYED)
    })
    closers.push(() => functions.close())
    logConnection(bus, log)

    let isLeaving = false
    let isAcquainted = false
    const whyNotReady = () => {
      if (isLeaving) return 'draining'
      if (!isAcquainted) return 'the runners are being asked who is there'
      return bus.isConnected ? null : 'the connection to NATS is lost'
    }
    const fleet = () => fleetStatus(functions.deployments, dispatcher)
    const calls = new CallMetrics()
    const metrics = new Metrics(() => ({
      version: VERSION,
      isReady: whyNotReady() === null,
      isConnected: bus.isConnected,
      creditBytes: dispatcher.budget.totalBytes,
      freeCreditBytes: dispatcher.budget.freeBytes,
      fleet: fleet(),
      calls,
    }))
    const admin = await serveAdmin(
      uws,
      { whyNotReady, fleet, metrics: () => metrics.answer(), log },
      config.adminHost,
      config.adminPort,
    )
    closers.push(() => admin.close())
    // The first calls find the runners that there are, rather than a queue.
    const opensAfter = dispatcher.rollCall.then(() => {
      isAcquainted = true
    })
    const sources = { functions, authenticator, dispatcher, calls, log, opensAfter }
    const server = await servePublic(uws, { ...config, ...sources })
    closers.push(() => server.close())

    const url = `http://${hostOf(config.host)}:${server.port}`
    const adminUrl = `http://${hostOf(config.adminHost)}:${admin.port}`
    log.info({ url, adminUrl, gateway: dispatcher.callerId }, 'gateway listening')

    const drain = async () => {
      isLeaving = true
      log.info('gateway draining')
      if (config.drainDelayMs > 0) await delay(config.drainDelayMs)
      server.drain()
      const untilMs = performance.now() + config.drainMs
      while (dispatcher.inFlight > 0 || !server.isDrained) {
        if (performance.now() > untilMs) break
        await delay(DRAIN_POLL_MS)
      }
      await closeAll()
      log.info('gateway closed')
    }
    let closing: Promise<void> | undefined
    return {
      url,
      adminUrl,
      close() {
        closing ??= drain()
        return closing
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

function openAuthenticator(config: GatewayConfig, log: Logger): Authenticator {
  const { jwksFile, jwksUrl, jwtKeyFile } = config
  if (jwksFile === undefined && jwksUrl === undefined && jwtKeyFile === undefined) {
    log.warn(
      'no keys to verify tokens with: only public routes will answer. Set CALLGATE_JWKS_FILE, CALLGATE_JWKS_URL or CALLGATE_JWT_KEY_FILE.',
    )
  }
  return createAuthenticator({
    algorithms: config.algorithms,
    issuer: config.issuer,
    audience: config.audience,
    jwksFile,
    jwksUrl,
    keyFile: jwtKeyFile,
    log,
    cacheMaxTokens: config.tokenCacheSize,
    clockToleranceMs: config.clockToleranceMs,
  })
}

function logConnection(bus: NatsBus, log: Logger): void {
  bus.onConnection((isConnected) => {
    if (isConnected) log.info('connection to NATS is back')
    else log.error('connection to NATS is lost: calls in flight end, new ones wait in their queues')
  })
}

/** An address that a client can be pointed at. */
function hostOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
