// The function registry, for commands that read or write it.

import type { Bus } from '../shared/bus.js'
import type { NatsConfig } from '../shared/config.js'
import { connectNats } from '../shared/nats.js'
import { Registry } from '../shared/registry.js'
import { type Subjects, subjectsIn } from '../shared/subjects.js'

export interface RegistrySession {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly registry: Registry
  close(): Promise<void>
}

export async function openRegistry(config: NatsConfig): Promise<RegistrySession> {
  const bus = await connectNats(config, 'callgate cli')
  try {
    const subjects = subjectsIn(config.namespace)
    const registry = await Registry.open(bus, subjects, { replicas: config.registryReplicas })
    return { bus, subjects, registry, close: () => bus.close() }
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
