// The registry of a test's NATS server, as others see it: written and read over a connection of its own.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { defineFunction } from '../../runner/define-function.js'
import { describeFunction } from '../../runner/describe-function.js'
import { natsSettings, readConfig } from '../../shared/config.js'
import { connectNats } from '../../shared/nats.js'
import { Registry } from '../../shared/registry.js'
import { subjectsIn } from '../../shared/subjects.js'

/** Nothing tells us of a change in another process. */
const LOOK_MS = 10

export async function inTestRegistry<T>(
  url: string,
  use: (registry: Registry) => Promise<T>,
): Promise<T> {
  const bus = await connectNats(readConfig(natsSettings, { natsUrl: url }, {}), 'test')
  try {
    return await use(await Registry.open(bus, subjectsIn('callgate'), { replicas: 1 }))
  } finally {
    await bus.close()
  }
}

/** Registers a function that nobody serves, with a public route of its name. */
export async function deploy(url: string, name: string, version?: string): Promise<void> {
  const definition = defineFunction({ auth: 'public', route: `GET /${name}`, run: () => 1 })
  await inTestRegistry(url, (registry) => registry.put(describeFunction(definition, name), version))
}

/** Resolves when the registry has this version. */
export async function untilRegistered(url: string, name: string, version?: string): Promise<void> {
  await inTestRegistry(url, async (registry) => {
    while ((await registry.get(name, version)) === null) await delay(LOOK_MS)
  })
}

/** Where a test's NATS server has its streams. */
export function storeIn(stateDir: string): string {
  return join(stateDir, 'nats', 'jetstream')
}

/** Takes a stopped server its streams; throws where there are none. */
export async function wipeStore(stateDir: string): Promise<void> {
  await rm(storeIn(stateDir), { recursive: true })
}
