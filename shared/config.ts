// Environment and flags -> one frozen, typed configuration. One schema for both: a setting `natsUrl` is
// CALLGATE_NATS_URL in the environment and --nats-url on the command line; the flag wins. Every fault is
// reported at once, under the name that the user wrote.

import * as v from 'valibot'
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  DEFAULT_VERSION,
  FUNCTION_VERSION,
  MAX_MESSAGE_BYTES,
} from './manifest.js'
import { MAX_TIMER_MS } from './max-timer.js'
import {
  durationMs,
  httpUrl,
  listOf,
  oneOf,
  origin,
  type Setting,
  setting,
  text,
  toggle,
  whole,
  word,
} from './setting.js'
import { TOKEN } from './subjects.js'

const port = whole(0, 65_535)
const count = whole(1)
const bytes = whole(1)

export const natsSettings = {
  natsUrl: setting(text, 'NATS servers, separated by commas', 'nats://127.0.0.1:4222'),
  natsUser: setting(text, 'NATS user'),
  natsPassword: setting(text, 'NATS password'),
  natsToken: setting(text, 'NATS token'),
  natsCredsFile: setting(text, 'NATS credentials file (JWT and seed)'),
  natsCaFile: setting(text, 'PEM file of the authority that signed the NATS server, for TLS'),
  natsCertFile: setting(text, 'PEM client certificate for NATS'),
  natsKeyFile: setting(text, 'PEM key of the client certificate for NATS'),
  namespace: setting(
    word(TOKEN),
    'first token of every NATS subject; keeps several Callgates on one NATS apart',
    'callgate',
  ),
  registryReplicas: setting(whole(1, 5), 'JetStream replicas of the function registry', 1),
}

export const logSettings = {
  logLevel: setting(
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'least level that is logged',
    'info',
  ),
  logFormat: setting(
    oneOf('json', 'pretty'),
    'one JSON object a line, or lines for a person',
    'json',
  ),
}

export const gatewaySettings = {
  host: setting(text, 'address of the public port', '0.0.0.0'),
  port: setting(port, 'public port; 0 picks a free one', 8080),
  sharePort: setting(
    toggle,
    'let other gateways on this machine listen on the public port, too',
    false,
  ),
  adminHost: setting(text, 'address of the admin port', '127.0.0.1'),
  adminPort: setting(port, 'admin port; 0 picks a free one', 8081),
  jwksFile: setting(text, 'file with the JSON Web Key Set that tokens are verified with'),
  jwksUrl: setting(httpUrl, 'address of the JSON Web Key Set'),
  jwtKeyFile: setting(text, 'file with one key: a PEM public key, or the HS256 secret'),
  issuer: setting(text, 'required `iss` of a token'),
  audience: setting(listOf(text), 'accepted `aud` of a token, separated by commas'),
  algorithms: setting(
    listOf(oneOf('HS256', 'RS256', 'ES256', 'EdDSA')),
    'signature algorithms that are accepted, separated by commas',
    ['RS256', 'ES256', 'EdDSA'],
  ),
  clockToleranceMs: setting(whole(0), 'leeway for `exp` and `nbf`', 5_000),
  tokenCacheSize: setting(count, 'verified tokens that are remembered', 10_000),
  corsOrigins: setting(
    listOf(origin),
    'origins whose pages may call: https://app.example.com, https://*.example.com, or *',
  ),
  // With less the engine refuses every request, or does not start at all.
  maxHeaderBytes: setting(whole(1024, 1024 * 1024), 'largest request head', 16_384),
  maxQueued: setting(whole(0), 'calls of one function that may wait for a slot', 1_000),
  queueWaitMs: setting(durationMs, 'longest wait for a slot', 30_000),
  maxCalls: setting(count, 'calls that this gateway has at once, waiting ones included', 20_000),
  maxCallsPerPrincipal: setting(
    count,
    'calls that one principal has at once, waiting ones included',
  ),
  retryBodyBytes: setting(
    whole(0),
    'largest request body that is kept for another attempt when a runner is lost',
    64 * 1024,
  ),
  idempotencyWindowMs: setting(
    durationMs,
    'how long the answer to a request with an Idempotency-Key is kept for the next one',
    600_000,
  ),
  idempotencyCacheBytes: setting(bytes, 'memory for such answers', 16 * 1024 * 1024),
  priorityClaim: setting(
    text,
    'claim that says which calls leave the queue first: -5 to 5',
    'callgate_priority',
  ),
  weightClaim: setting(
    text,
    'claim that says how many calls a turn a principal has in the queue: 1 to 100',
    'callgate_weight',
  ),
  creditBytes: setting(bytes, 'memory for bodies in flight', 32 * 1024 * 1024),
  receiveBufferBytes: setting(
    whole(1, 480 * 1024),
    "kernel's buffer for what one client sends: larger is faster over long distances",
    256 * 1024,
  ),
  maxMessageBytes: setting(
    whole(1, MAX_MESSAGE_BYTES),
    'largest message of a WebSocket, whatever its function says',
    DEFAULT_MAX_MESSAGE_BYTES,
  ),
  socketExpiry: setting(
    oneOf('close', 'ignore'),
    'what happens to a WebSocket whose token expires: closed with 4401, or nothing',
    'close',
  ),
  drainDelayMs: setting(
    whole(0, MAX_TIMER_MS),
    'how long /readyz says 503 on shutdown before the public port closes',
    0,
  ),
  drainMs: setting(durationMs, 'how long calls in flight may take to finish on shutdown', 30_000),
}

export const runnerSettings = {
  version: setting(
    word(FUNCTION_VERSION),
    'version of the function, where several are deployed at once',
    DEFAULT_VERSION,
  ),
  creditBytes: setting(bytes, 'memory for bodies in flight', 32 * 1024 * 1024),
  cancelGraceMs: setting(durationMs, 'how long a cancelled call may take to settle', 5_000),
  drainMs: setting(durationMs, 'how long calls in flight may take to finish on shutdown', 30_000),
}

export type Settings = Readonly<Record<string, Setting<unknown>>>
export type Config<S extends Settings> = Readonly<{ [K in keyof S]: S[K]['byDefault'] }>

export type NatsConfig = Config<typeof natsSettings>
export type GatewayConfig = Config<
  typeof gatewaySettings & typeof natsSettings & typeof logSettings
>
export type RunnerConfig = Config<typeof runnerSettings & typeof natsSettings & typeof logSettings>

/** Every fault of a configuration, one line each, with the name of the variable or flag. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/**
 * Reads the settings from flags (by setting name, as the argument parser gives them) and environment.
 * Throws a ConfigError.
 */
export function readConfig<S extends Settings>(
  settings: S,
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): Config<S> {
  const values: Record<string, unknown> = {}
  const faults: string[] = []
  for (const [name, { schema, expected, byDefault }] of Object.entries(settings)) {
    const flag = flags[name]
    // An empty variable means unset, as in every shell script that passes one on.
    const given = flag ?? (environment[variableName(name)] || undefined)
    const result = given === undefined ? null : v.safeParse(schema, given)
    if (result?.success === false) {
      const source = flag === undefined ? variableName(name) : `--${flagName(name)}`
      faults.push(`${source}: must be ${expected}`)
    } else values[name] = result === null ? byDefault : result.output
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return Object.freeze(values) as Config<S>
}

/** `natsUrl` -> `CALLGATE_NATS_URL` */
export function variableName(setting: string): string {
  return `CALLGATE_${setting.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** `natsUrl` -> `nats-url` */
export function flagName(setting: string): string {
  return setting.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
