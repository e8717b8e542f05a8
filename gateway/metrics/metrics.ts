// The answer of /metrics. Prometheus' client library is loaded when it is first asked for, and its own metrics
// of the process begin then: a gateway starts without it, and one that nobody scrapes never pays for it.

import type { Snapshot } from './definitions.js'
import type { Exposition } from './exposition.js'

export class Metrics {
  readonly #takeSnapshot: () => Snapshot
  #exposition: Promise<Exposition> | null = null

  /** @param takeSnapshot called once for each answer */
  constructor(takeSnapshot: () => Snapshot) {
    this.#takeSnapshot = takeSnapshot
  }

  async answer(): Promise<{ readonly contentType: string; readonly text: string }> {
    this.#exposition ??= import('./exposition.js').then(({ Exposition }) => new Exposition())
    const exposition = await this.#exposition
    return {
      contentType: exposition.contentType,
      text: await exposition.text(this.#takeSnapshot()),
    }
  }
}
