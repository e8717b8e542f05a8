// The text that Prometheus reads.

import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import { METRICS, type Snapshot } from './definitions.js'

/**
 * Of the library's own metrics of the process, those that are left out: they list every open file, and every
 * object that the engine waits for, which takes longer the more clients there are.
 */
const SLOW_METRICS = [
  'process_open_fds',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
]

export class Exposition {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE
  readonly #registry = new Registry()
  #snapshot: Snapshot | null = null

  constructor() {
    for (const { name, help, type, read } of METRICS) {
      const get = async () => ({ name, help, type, values: [...read(this.#snapshot!)] })
      // What the registry asks a metric for; our numbers are there already, and need none of its counting.
      this.#registry.registerMetric({ name, get } as unknown as Metric)
    }
    collectDefaultMetrics({ register: this.#registry })
    for (const name of SLOW_METRICS) this.#registry.removeSingleMetric(name)
  }

  async text(snapshot: Snapshot): Promise<string> {
    this.#snapshot = snapshot
    return this.#registry.metrics()
  }
}
