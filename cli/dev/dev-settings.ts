// The settings of `callgate dev`: those of all its parts, with the defaults that suit one machine.

import { z } from 'zod'
import { gatewaySettings, logSettings, natsSettings, runnerSettings } from '../../shared/config.js'
import { stateSettings } from '../state-dir.js'

export const devSettings = {
  gateway: {
    ...gatewaySettings,
    host: withDefault(gatewaySettings.host, '127.0.0.1'),
    // A Ctrl-C must not wait long for a stream that may go on for ever.
    drainMs: withDefault(gatewaySettings.drainMs, 2_000),
  },
  runner: { cancelGraceMs: runnerSettings.cancelGraceMs },
  nats: {
    ...natsSettings,
    natsUrl: z
      .string()
      .min(1)
      .optional()
      .describe('NATS servers, separated by commas; without it, dev starts its own'),
  },
  log: { ...logSettings, logFormat: withDefault(logSettings.logFormat, 'pretty') },
  state: stateSettings,
}

function withDefault<S extends z.ZodType>(
  setting: z.ZodDefault<S>,
  value: z.input<S> & z.output<S>,
): z.ZodDefault<S> {
  return new z.ZodDefault({ ...setting.def, defaultValue: value }).describe(
    setting.description ?? '',
  ) as z.ZodDefault<S>
}
