// Where development keeps its state: keys, the embedded nats-server's store, tools that were installed.

import { setting, text } from '../shared/setting.js'

export const stateSettings = {
  stateDir: setting(
    text,
    "folder of development's keys, its nats-server's store and tools",
    '.callgate',
  ),
}
