// The function registry, for commands that read or write it.

import type { NatsConfig } from '../shared/config.js'
import { connectNats } from '../shared/nats.js'
import { Registry } from '../shared/registry.js'
import { subjectsIn } from '../shared/subjects.js'

export interface RegistrySession {
  readonly registry: Registry
  close(): Promise<void>
}

export async function openRegistry(config: NatsConfig): Promise<RegistrySession> {
  const bus = await connectNats(config, 'callgate cli')
  try {
    const registry = await Registry.open(bus, subjectsIn(config.namespace), {
      replicas: config.registryReplicas,
    })
    return { registry, close: () => bus.close() }
  } catch (error) {
    await bus.close()
    throw error
  }
}

/** Connects, lets `use` work, and disconnects whatever happens. */
export async function withRegistry<T>(
  config: NatsConfig,
  use: (registry: Registry) => Promise<T>,
): Promise<T> {
  const session = await openRegistry(config)
  try {
    return await use(session.registry)
  } finally {
    await session.close()
  }
}
