// Event streams that are open all the time: when one has ended, the next begins. Every event of every
// stream is compared.

import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { tokensBody, tokensEvents } from '../generators/tokens.js'
import type { HttpClient } from './http-client.js'
import { problemCode } from './problem.js'
import { Tally } from './tally.js'

export interface EventStreamLoadOptions {
  /** Open at once. */
  readonly streams: number
  readonly seconds: number
}

const INTERVAL_MS = 250
/** Beyond the length of a stream. */
const PATIENCE_MS = 60_000

export const WHOLE = 'whole'

export class EventStreamLoad {
  readonly outcomes = new Tally()
  #openNow = 0
  readonly #client: HttpClient
  readonly #options: EventStreamLoadOptions
  readonly #body: string
  readonly #expected: string

  constructor(client: HttpClient, options: EventStreamLoadOptions) {
    const tokens = Math.max(1, Math.round((options.seconds * 1000) / INTERVAL_MS))
    this.#client = client
    this.#options = options
    this.#body = tokensBody({ tokens, intervalMs: INTERVAL_MS })
    this.#expected = tokensEvents(tokens)
      .map((event) => `${event}\n\n`)
      .join('')
  }

  get openNow(): number {
    return this.#openNow
  }

  /** Opens no more when the signal aborts, and resolves when all have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { streams, seconds } = this.#options
    setMaxListeners(0, signal)
    const each = Array.from({ length: streams }, async (_, index) => {
      // Spread over their length, so that some begin and some end at any moment.
      const waitMs = (index / streams) * seconds * 1000
      await delay(waitMs, undefined, { signal }).catch(() => {})
      while (!signal.aborted) this.outcomes.add(await this.#stream())
    })
    await Promise.all(each)
  }

  async #stream(): Promise<string> {
    this.#openNow += 1
    const end = await this.#client.call({
      method: 'POST',
      path: '/tokens',
      headers: { accept: 'text/event-stream' },
      body: this.#body,
      patienceMs: this.#options.seconds * 1000 + PATIENCE_MS,
    })
    this.#openNow -= 1
    if (end.how === 'lost') return `lost: ${end.reason}`
    if (end.how !== 'answered') return end.how
    const { status, body } = end.answer
    if (status !== 200)
      return `${status} ${problemCode(end.answer) ?? 'that is no problem document'}`
    return body.toString() === this.#expected ? WHOLE : 'wrong content'
  }
}
