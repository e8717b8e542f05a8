// What the tests of who may call share: keys, tokens, and an issuer that can be down.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import {
  type AuthConfig,
  AuthFailure,
  createAuthenticator,
} from '../../../gateway/auth/authenticator.js'

export const START_MS = Date.UTC(2026, 0, 1)
export const HOUR_S = 3600
export const SECRET = 'a secret of more than thirty-two bytes'

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const ed = generateKeyPairSync('ed25519')
export const otherEc = generateKeyPairSync('ec', { namedCurve: 'P-256' })

export const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }) as string
export const secretBytes = (text: string) => new TextEncoder().encode(text)

export class Clock {
  nowMs = START_MS
  #steppedMs = 0
  now = () => this.nowMs
  steadyNow = () => this.nowMs - this.#steppedMs

  /** Somebody sets the time of day. */
  step(ms: number): void {
    this.nowMs += ms
    this.#steppedMs += ms
  }
}

export class Log {
  readonly errors: string[] = []
  readonly infos: string[] = []
  readonly logger = pino({ level: 'info' }, { write: (line: string) => this.#add(line) })

  #add(line: string): void {
    const { level, msg } = JSON.parse(line) as { level: number; msg: string }
    if (level >= 50) this.errors.push(msg)
    else this.infos.push(msg)
  }
}

export function authenticator(
  config: Partial<AuthConfig>,
  clock = new Clock(),
  log: AuthConfig['log'] = pino({ level: 'silent' }),
) {
  return createAuthenticator({
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    cacheMaxTokens: 100,
    clockToleranceMs: 0,
    now: clock.now,
    steadyNow: clock.steadyNow,
    log,
    ...config,
  })
}

const folder = mkdtempSync(join(tmpdir(), 'callgate-keys-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

/** A file that has this text. */
export function keyFile(text: string): string {
  const path = join(folder, `${files++}.pem`)
  writeFileSync(path, text)
  return path
}

export async function bearer(
  algorithm: string,
  key: KeyObject | Uint8Array,
  claims: JWTPayload = {},
  header: { kid?: string } = {},
): Promise<string> {
  const expiring = { sub: 'ann', exp: START_MS / 1000 + HOUR_S, ...claims }
  const unsigned = new SignJWT(expiring).setProtectedHeader({ alg: algorithm, ...header })
  return `Bearer ${await unsigned.sign(key)}`
}

export async function refuses(
  t: Test,
  verifying: Promise<unknown>,
  reason: AuthFailure['reason'],
  message: RegExp = /^[A-Z].*\.$/,
) {
  const failure = await verifying.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(failure instanceof AuthFailure)) return t.fail(`${reason}: not an AuthFailure`)
  t.equal(failure.reason, reason)
  t.match(failure.message, message)
}

export async function keySetOf(keys: Record<string, KeyObject>): Promise<object> {
  const entries = Object.entries(keys)
  const set = await Promise.all(
    entries.map(async ([kid, key]) => ({ ...(await exportJWK(key)), kid })),
  )
  return { keys: set }
}

export async function writeKeys(path: string, keys: Record<string, KeyObject>): Promise<void> {
  writeFileSync(`${path}.new`, JSON.stringify(await keySetOf(keys)))
  renameSync(`${path}.new`, path)
}

/** Serves a key set, as long as it is up. */
export class Issuer {
  /** What it answers with; undefined is a 500. */
  body: object | undefined
  requests = 0
  readonly #held: ServerResponse[] = []
  #isHolding = false
  readonly #server = createServer((_request, response) => {
    this.requests++
    if (this.#isHolding) this.#held.push(response)
    else this.#answer(response)
  })

  static async start(t: Test, keys: Record<string, KeyObject> | null): Promise<Issuer> {
    const issuer = new Issuer()
    if (keys !== null) await issuer.serve(keys)
    issuer.#server.listen(0, '127.0.0.1')
    await once(issuer.#server, 'listening')
    t.teardown(() => issuer.stop())
    return issuer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks`
  }

  async serve(keys: Record<string, KeyObject>): Promise<void> {
    this.body = await keySetOf(keys)
  }

  /** From now on nobody gets an answer. */
  hold(): void {
    this.#isHolding = true
  }

  /** Requests that are held, and whose client still waits. */
  get waiting(): number {
    return this.#held.filter(({ destroyed }) => !destroyed).length
  }

  release(): void {
    this.#isHolding = false
    for (const response of this.#held.splice(0)) this.#answer(response)
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #answer(response: ServerResponse): void {
    response.statusCode = this.body === undefined ? 500 : 200
    response.end(JSON.stringify(this.body))
  }
}
