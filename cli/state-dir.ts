// Where development keeps its state: keys, the embedded nats-server's store, tools that were installed.

import { resolve } from 'node:path'

export const STATE_DIR = resolve(process.env.CALLGATE_STATE_DIR ?? '.callgate')
