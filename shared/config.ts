// Environment and flags -> one frozen, typed configuration. One schema for both: a setting `natsUrl` is
// CALLGATE_NATS_URL in the environment and --nats-url on the command line; the flag wins. Every fault is
// reported at once, under the name that the user wrote.

import { z } from 'zod'
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  DEFAULT_VERSION,
  FUNCTION_VERSION,
  MAX_MESSAGE_BYTES,
} from './manifest.js'
import { TOKEN } from './subjects.js'

// A variable is text; an empty one is no number, though JavaScript says that it is 0.
const whole = z
  .union([
    z.number(),
    z
      .string()
      .trim()
      .regex(/^-?\d+$/, 'a whole number')
      .transform(Number),
  ])
  .pipe(z.int())
const port = whole.pipe(z.int().min(0).max(65_535))
const count = whole.pipe(z.int().min(1))
const durationMs = whole.pipe(z.int().min(1).max(2_147_483_647))
const bytes = whole.pipe(z.int().min(1))
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)
const text = z.string().min(1)
/** A flag without a value; true or false, 1 or 0 in the environment. */
const toggle = z
  .union([z.boolean(), z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] })], {
    error: 'true or false',
  })
  .pipe(z.boolean())

export const natsSettings = {
  natsUrl: text.default('nats://127.0.0.1:4222').describe('NATS servers, separated by commas'),
  natsUser: text.optional().describe('NATS user'),
  natsPassword: text.optional().describe('NATS password'),
  natsToken: text.optional().describe('NATS token'),
  natsCredsFile: text.optional().describe('NATS credentials file (JWT and seed)'),
  natsCaFile: text
    .optional()
    .describe('PEM file of the authority that signed the NATS server, for TLS'),
  natsCertFile: text.optional().describe('PEM client certificate for NATS'),
  natsKeyFile: text.optional().describe('PEM key of the client certificate for NATS'),
  namespace: z
    .string()
    .regex(TOKEN, 'one word of letters, digits, - and _')
    .default('callgate')
    .describe('first token of every NATS subject; keeps several Callgates on one NATS apart'),
  registryReplicas: count
    .pipe(z.int().max(5))
    .default(1)
    .describe('JetStream replicas of the function registry'),
}

export const logSettings = {
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('least level that is logged'),
  logFormat: z
    .enum(['json', 'pretty'])
    .default('json')
    .describe('one JSON object a line, or lines for a person'),
}

export const gatewaySettings = {
  host: text.default('0.0.0.0').describe('address of the public port'),
  port: port.default(8080).describe('public port; 0 picks a free one'),
  sharePort: toggle
    .default(false)
    .describe('let other gateways on this machine listen on the public port, too'),
  adminHost: text.default('127.0.0.1').describe('address of the admin port'),
  adminPort: port.default(8081).describe('admin port; 0 picks a free one'),
  jwksFile: text
    .optional()
    .describe('file with the JSON Web Key Set that tokens are verified with'),
  jwksUrl: z.url().optional().describe('address of the JSON Web Key Set'),
  jwtKeyFile: text.optional().describe('file with one key: a PEM public key, or the HS256 secret'),
  issuer: text.optional().describe('required `iss` of a token'),
  audience: list
    .pipe(z.array(z.string()).min(1))
    .optional()
    .describe('accepted `aud` of a token, separated by commas'),
  algorithms: list
    .pipe(z.array(z.enum(['HS256', 'RS256', 'ES256', 'EdDSA'])).min(1))
    .default(['RS256', 'ES256', 'EdDSA'])
    .describe('signature algorithms that are accepted, separated by commas'),
  clockToleranceMs: whole
    .pipe(z.int().min(0))
    .default(5_000)
    .describe('leeway for `exp` and `nbf`'),
  tokenCacheSize: count.default(10_000).describe('verified tokens that are remembered'),
  maxHeaderBytes: bytes
    .pipe(z.int().max(1024 * 1024))
    .default(16_384)
    .describe('largest request head'),
  maxQueued: whole
    .pipe(z.int().min(0))
    .default(1_000)
    .describe('calls of one function that may wait for a slot'),
  queueWaitMs: durationMs.default(30_000).describe('longest wait for a slot'),
  maxCalls: count
    .default(20_000)
    .describe('calls that this gateway has at once, waiting ones included'),
  maxCallsPerPrincipal: count
    .optional()
    .describe('calls that one principal has at once, waiting ones included'),
  retryBodyBytes: whole
    .pipe(z.int().min(0))
    .default(64 * 1024)
    .describe('largest request body that is kept for another attempt when a runner is lost'),
  idempotencyWindowMs: durationMs
    .default(600_000)
    .describe('how long the answer to a request with an Idempotency-Key is kept for the next one'),
  idempotencyCacheBytes: bytes.default(16 * 1024 * 1024).describe('memory for such answers'),
  priorityClaim: text
    .default('callgate_priority')
    .describe('claim that says which calls leave the queue first: -5 to 5'),
  weightClaim: text
    .default('callgate_weight')
    .describe('claim that says how many calls a turn a principal has in the queue: 1 to 100'),
  creditBytes: bytes.default(32 * 1024 * 1024).describe('memory for bodies in flight'),
  receiveBufferBytes: bytes
    .pipe(z.int().max(480 * 1024))
    .default(256 * 1024)
    .describe("kernel's buffer for what one client sends: larger is faster over long distances"),
  maxMessageBytes: bytes
    .pipe(z.int().max(MAX_MESSAGE_BYTES))
    .default(DEFAULT_MAX_MESSAGE_BYTES)
    .describe('largest message of a WebSocket, whatever its function says'),
  socketExpiry: z
    .enum(['close', 'ignore'])
    .default('close')
    .describe('what happens to a WebSocket whose token expires: closed with 4401, or nothing'),
  drainDelayMs: whole
    .pipe(z.int().min(0).max(2_147_483_647))
    .default(0)
    .describe('how long /readyz says 503 on shutdown before the public port closes'),
  drainMs: durationMs
    .default(30_000)
    .describe('how long calls in flight may take to finish on shutdown'),
}

export const runnerSettings = {
  version: z
    .string()
    .regex(FUNCTION_VERSION, 'one word of letters, digits, - and _')
    .default(DEFAULT_VERSION)
    .describe('version of the function, where several are deployed at once'),
  creditBytes: bytes.default(32 * 1024 * 1024).describe('memory for bodies in flight'),
  cancelGraceMs: durationMs.default(5_000).describe('how long a cancelled call may take to settle'),
  drainMs: durationMs
    .default(30_000)
    .describe('how long calls in flight may take to finish on shutdown'),
}

type Settings = Record<string, z.ZodType>
export type Config<S extends Settings> = Readonly<{ [K in keyof S]: z.infer<S[K]> }>

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
  for (const [name, schema] of Object.entries(settings)) {
    const flag = flags[name]
    // An empty variable means unset, as in every shell script that passes one on.
    const variable = environment[variableName(name)] || undefined
    const result = schema.safeParse(flag ?? variable)
    if (result.success) values[name] = result.data
    else {
      const source = flag === undefined ? variableName(name) : `--${flagName(name)}`
      faults.push(`${source}: ${result.error.issues.map((issue) => issue.message).join('; ')}`)
    }
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
