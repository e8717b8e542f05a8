// A bus on a real nats-server, as a process of ours has it.

import type { Test } from 'tap'
import { natsSettings, readConfig } from '../../shared/config.js'
import { connectNats, type NatsBus } from '../../shared/nats.js'

export async function openTestBus(t: Test, url: string): Promise<NatsBus> {
  const bus = await connectNats(readConfig(natsSettings, { natsUrl: url }, {}), 'test')
  t.teardown(() => bus.connection.close())
  return bus
}

/** What has not happened by then never will, also on a machine that is busy with other things. */
const GIVE_UP_MS = 60_000

/** Resolves when `isTrue` is, looking once in every turn of the event loop. */
export async function until(isTrue: () => boolean): Promise<void> {
  const startedAt = performance.now()
  while (!isTrue()) {
    if (performance.now() - startedAt > GIVE_UP_MS) {
      throw new Error(`It never became true: ${isTrue}`)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}
