// One look into the function registry, for commands that read or write it and end.

import type { NatsConfig } from '../shared/config.js'
import { connectNats } from '../shared/nats.js'
import { Registry } from '../shared/registry.js'
import { subjectsIn } from '../shared/subjects.js'

/** Connects, lets `use` work, and disconnects whatever happens. */
export async function withRegistry<T>(
  config: NatsConfig,
  use: (registry: Registry) => Promise<T>,
): Promise<T> {
  const bus = await connectNats(config, 'callgate cli')
  try {
    const registry = await Registry.open(bus, subjectsIn(config.namespace), {
      replicas: config.registryReplicas,
    })
    return await use(registry)
  } finally {
    await bus.close()
  }
}
