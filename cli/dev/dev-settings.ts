// The settings of `callgate dev`: those of all its parts, with the defaults that suit one machine.

import { gatewaySettings, logSettings, natsSettings, runnerSettings } from '../../shared/config.js'
import { setting, text } from '../../shared/setting.js'
import { stateSettings } from '../state-dir.js'

export const devSettings = {
  gateway: {
    ...gatewaySettings,
    host: { ...gatewaySettings.host, byDefault: '127.0.0.1' },
    // A Ctrl-C must not wait long for a stream that may go on for ever.
    drainMs: { ...gatewaySettings.drainMs, byDefault: 2_000 },
  },
  runner: { cancelGraceMs: runnerSettings.cancelGraceMs },
  nats: {
    ...natsSettings,
    natsUrl: setting(text, 'NATS servers, separated by commas; without it, dev starts its own'),
  },
  log: { ...logSettings, logFormat: { ...logSettings.logFormat, byDefault: 'pretty' as const } },
  state: stateSettings,
}
