// The keys that verify tokens, as their source has last given them. They are got again before they are
// old, beside the calls that go on with them; while the source fails, its last good ones serve for a
// while. An outage is two lines of the log, however many calls it meets. Which source is `key-source.ts`.
//
// Nothing runs between calls: a verification that finds the keys old starts the next attempt. There is one
// attempt at a time, and a pause after each, so that tokens with key ids made up by anybody do not become
// requests to the issuer.

import { performance } from 'node:perf_hooks'
import type { JWTVerifyGetKey } from 'jose'
import * as errors from 'jose/errors'
import type { Logger } from 'pino'

export interface KeyAges {
  /** From this age on they are got again, beside the calls. */
  readonly refreshAfterMs: number
  /** From this age on a call waits for that, unless the last attempt has failed. */
  readonly waitAfterMs: number
  /** Above this age they are not used. */
  readonly uselessAfterMs: number
  /** After an attempt that has succeeded, whatever calls for the next one. */
  readonly pauseMs: number
  readonly pauseAfterFailureMs: number
}

export interface KeptKeysOptions {
  /** For the log. */
  readonly name: string
  readonly ages: KeyAges
  /** Those to begin with, as their source gives them now. */
  readonly first?: JWTVerifyGetKey
  readonly load: () => Promise<JWTVerifyGetKey>
  readonly log: Pick<Logger, 'error' | 'info'>
  /** Never steps; in milliseconds. */
  readonly nowMs?: (() => number) | undefined
}

/** There are no keys to verify a token with: nothing is wrong with it. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable'
}

export class KeptKeys {
  readonly #options: KeptKeysOptions
  readonly #nowMs: () => number
  #keys: JWTVerifyGetKey | undefined
  /** When those were asked for. */
  #askedAtMs = Number.NEGATIVE_INFINITY
  #attempt: Promise<void> | undefined
  #attemptEndedAtMs = Number.NEGATIVE_INFINITY
  /** Why the last attempt has failed; null: it has not. */
  #fault: unknown = null
  #toldKeyFault = ''

  constructor(options: KeptKeysOptions) {
    this.#options = options
    this.#keys = options.first
    this.#nowMs = options.nowMs ?? (() => performance.now())
    if (options.first !== undefined) this.#askedAtMs = this.#nowMs()
  }

  /** @throws KeysUnavailable, or what jose throws where no key or more than one fits */
  readonly resolve: JWTVerifyGetKey = async (header, token) => {
    await this.#freshen()
    const before = this.#askedAtMs
    try {
      return await this.#find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // It may be signed with a key that is newer than ours.
      const attempt = this.#tryAgain()
      if (this.#fault === null) await attempt
      if (this.#fault !== null) throw unavailable(this.#fault)
      if (this.#askedAtMs === before) throw error
    }
    return this.#find(header, token)
  }

  #freshen(): Promise<void> | undefined {
    const { refreshAfterMs, waitAfterMs, uselessAfterMs } = this.#options.ages
    const ageMs = this.#nowMs() - this.#askedAtMs
    if (ageMs < refreshAfterMs) return undefined
    const attempt = this.#tryAgain()
    // A source that hangs would hold every call until it is given up.
    const mustWait = this.#fault === null ? ageMs >= waitAfterMs : ageMs > uselessAfterMs
    return mustWait ? attempt : undefined
  }

  async #find(...[header, token]: Parameters<JWTVerifyGetKey>) {
    const isUseless = this.#nowMs() - this.#askedAtMs > this.#options.ages.uselessAfterMs
    if (this.#keys === undefined || isUseless) throw unavailable(this.#fault)
    try {
      return await this.#keys(header, token)
    } catch (error) {
      const isAnswer =
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys
      if (isAnswer) throw error
      this.#tellKeyFault(error)
      throw unavailable(error)
    }
  }

  /** The attempt that runs or has begun now; undefined in the pause after the last one. */
  #tryAgain(): Promise<void> | undefined {
    if (this.#attempt !== undefined) return this.#attempt
    const { pauseMs, pauseAfterFailureMs } = this.#options.ages
    const startedAtMs = this.#nowMs()
    const sinceMs = startedAtMs - this.#attemptEndedAtMs
    if (sinceMs < (this.#fault === null ? pauseMs : pauseAfterFailureMs)) return undefined
    this.#attempt = this.#options
      .load()
      .then(
        (keys) => this.#onLoaded(keys, startedAtMs),
        (error) => this.#onFailed(error),
      )
      .finally(() => {
        this.#attempt = undefined
        this.#attemptEndedAtMs = this.#nowMs()
      })
    return this.#attempt
  }

  #onLoaded(keys: JWTVerifyGetKey, askedAtMs: number): void {
    const { log, name } = this.#options
    this.#keys = keys
    this.#askedAtMs = askedAtMs
    if (this.#fault === null) return
    this.#fault = null
    log.info({ source: name }, 'the keys that verify tokens can be read again')
  }

  #onFailed(error: unknown): void {
    const { log, name } = this.#options
    const wasFailing = this.#fault !== null
    this.#fault = error ?? 'unknown'
    if (wasFailing) return
    log.error(
      { err: error, source: name },
      `the keys that verify tokens cannot be read: ${this.#consequence()}`,
    )
  }

  #consequence(): string {
    const { uselessAfterMs } = this.#options.ages
    if (this.#keys === undefined) return 'tokens are refused until they can'
    if (uselessAfterMs === Number.POSITIVE_INFINITY)
      return 'the last good ones serve until they can'
    const leftMs = Math.max(0, this.#askedAtMs + uselessAfterMs - this.#nowMs())
    return `the last good ones serve for ${Math.round(leftMs / 60_000)} more minutes at most`
  }

  /** A key of the set is none: its owner is to hear so, but not with every token. */
  #tellKeyFault(error: unknown): void {
    if (this.#toldKeyFault === String(error)) return
    this.#toldKeyFault = String(error)
    const { log, name } = this.#options
    log.error({ err: error, source: name }, 'a key that verifies tokens cannot be used')
  }
}

function unavailable(cause: unknown): KeysUnavailable {
  const message = 'The gateway cannot get the keys that verify tokens: try again later.'
  return new KeysUnavailable(message, { cause })
}
