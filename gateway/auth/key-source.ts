// Where the keys that verify tokens come from: a key set behind a URL, a key set in a file, or one key in a
// file. How often each is asked again, and how long its keys outlive its failure, is decided here; that it
// is so is `kept-keys.ts`.

import { readFileSync, statSync } from 'node:fs'
import type { JWTVerifyGetKey } from 'jose'
import { createRemoteJWKSet } from 'jose/jwks/remote'
import type { Logger } from 'pino'
import { ConfigError, variableName } from '../../shared/config.js'
import { KeptKeys, type KeyAges } from './kept-keys.js'
import { readFirstKeySet, readKeySet } from './key-set.js'
import { LiveFile } from './live-file.js'
import { readSingleKey } from './single-key.js'

export interface KeySourceConfig {
  /** At most one of the three. */
  readonly jwksFile?: string | undefined
  readonly jwksUrl?: string | undefined
  /** Has a public key in PEM, or for HS256 a secret of 32 bytes or more. */
  readonly keyFile?: string | undefined
  readonly log: Pick<Logger, 'error' | 'info'>
  /** Never steps, for ages; in milliseconds. */
  readonly steadyNow?: (() => number) | undefined
}

export interface KeySource {
  /** What this kind of key can verify at all. */
  readonly algorithms: readonly string[]
  readonly resolve: JWTVerifyGetKey
}

export const PUBLIC_KEY_ALGORITHMS = ['RS256', 'ES256', 'EdDSA']

/** An issuer that is down for longer is no mishap, and a key may have been withdrawn meanwhile. */
const GRACE_MS = 60 * 60_000

/**
 * With the two minutes for which a verified token is remembered (`auth.ts`), a key that was taken out of
 * the set has stopped working after five. A gateway with calls asks every minute, so that none waits.
 */
const URL_AGES: KeyAges = {
  refreshAfterMs: 60_000,
  waitAfterMs: 3 * 60_000,
  uselessAfterMs: GRACE_MS,
  pauseMs: 30_000,
  pauseAfterFailureMs: 5_000,
}

/** To look at a file is cheap, and a new key should work at once. */
const FILE_CHECK_MS = 1_000
const FILE_AGES: KeyAges = {
  refreshAfterMs: FILE_CHECK_MS,
  waitAfterMs: FILE_CHECK_MS,
  uselessAfterMs: GRACE_MS,
  pauseMs: FILE_CHECK_MS,
  pauseAfterFailureMs: FILE_CHECK_MS,
}

/** @throws ConfigError when there is more than one, or the file cannot be used */
export function keySource(config: KeySourceConfig): KeySource | undefined {
  const { keyFile, jwksFile, jwksUrl } = config
  if ([keyFile, jwksFile, jwksUrl].filter((source) => source !== undefined).length > 1) {
    const [key, file, url] = ['jwtKeyFile', 'jwksFile', 'jwksUrl'].map(variableName)
    throw new ConfigError([`${key}, ${file}, ${url}: only one of them can be set`])
  }
  if (keyFile !== undefined) return singleKeyFile(keyFile, config)
  if (jwksFile !== undefined) return keySetFile(jwksFile, config)
  if (jwksUrl !== undefined) return keySetUrl(new URL(jwksUrl), config)
  return undefined
}

function keySetUrl(url: URL, { log, steadyNow }: KeySourceConfig): KeySource {
  // When it is asked is not left to jose: it asks for every unknown key id while the issuer is down, and
  // has no use for a set that is too old.
  const never = {
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: Number.POSITIVE_INFINITY,
  }
  const keySet = createRemoteJWKSet(url, never)
  const load = async () => {
    await keySet.reload()
    return keySet
  }
  // Without what may be secret of it.
  const name = url.origin + url.pathname
  const keys = new KeptKeys({ name, ages: URL_AGES, load, log, nowMs: steadyNow })
  return { algorithms: PUBLIC_KEY_ALGORITHMS, resolve: keys.resolve }
}

function keySetFile(path: string, { log, steadyNow }: KeySourceConfig): KeySource {
  const first = firstOf('jwksFile', path, readFirstKeySet)
  if (!isReadAgain(path)) return { algorithms: PUBLIC_KEY_ALGORITHMS, resolve: first }
  const file = new LiveFile<JWTVerifyGetKey>(path, readKeySet)
  const load = () => file.read()
  const keys = new KeptKeys({ name: path, ages: FILE_AGES, first, load, log, nowMs: steadyNow })
  return { algorithms: PUBLIC_KEY_ALGORITHMS, resolve: keys.resolve }
}

function singleKeyFile(path: string, { log, steadyNow }: KeySourceConfig): KeySource {
  const { algorithm, key } = firstOf('jwtKeyFile', path, readSingleKey)
  if (!isReadAgain(path)) return { algorithms: [algorithm], resolve: () => key }
  const file = new LiveFile<JWTVerifyGetKey>(path, (text) => {
    const next = readSingleKey(text)
    if (next.algorithm !== algorithm) {
      throw new Error(`It verifies ${next.algorithm} now: start the gateway again for that.`)
    }
    return () => next.key
  })
  const keys = new KeptKeys({
    name: path,
    // A key is replaced, not withdrawn: a file that was there for the start only goes on to be good.
    ages: { ...FILE_AGES, uselessAfterMs: Number.POSITIVE_INFINITY },
    first: () => key,
    load: () => file.read(),
    log,
    nowMs: steadyNow,
  })
  return { algorithms: [algorithm], resolve: keys.resolve }
}

function firstOf<T>(setting: string, path: string, read: (text: string) => T): T {
  try {
    return read(readFileSync(path, 'utf8'))
  } catch (error) {
    const { message, syscall } = error as NodeJS.ErrnoException
    // What is wrong with a file that cannot be read names it already.
    const reason = syscall === undefined ? `${path}: ${message}` : message
    throw new ConfigError([`${variableName(setting)}: ${reason}`])
  }
}

/** What a shell's `<(…)` gives can be read once. */
function isReadAgain(path: string): boolean {
  return statSync(path).isFile()
}
