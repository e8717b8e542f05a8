// Where development keeps its state: keys, the embedded nats-server's store, tools that were installed.

import { z } from 'zod'

export const stateSettings = {
  stateDir: z
    .string()
    .min(1)
    .default('.callgate')
    .describe("folder of development's keys, its nats-server's store and tools"),
}
