// The configuration of `callgate dev`, and what in it must go together.

import {
  type Config,
  ConfigError,
  flagName,
  readConfig,
  variableName,
} from '../../shared/config.js'
import { DEVELOPMENT_ALGORITHM } from '../development-key.js'
import { devSettings } from './dev-settings.js'

const allSettings = {
  ...devSettings.gateway,
  ...devSettings.runner,
  ...devSettings.nats,
  ...devSettings.log,
  ...devSettings.state,
}

export type DevConfig = Config<typeof allSettings> & {
  /** True where tokens are verified with keys of the user's, which we cannot sign with. */
  readonly hasOwnKeys: boolean
}

/** Throws a ConfigError. */
export function readDevConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): DevConfig {
  const config = readConfig(allSettings, flags, environment)
  const { jwksFile, jwksUrl, jwtKeyFile } = config
  const hasOwnKeys = [jwksFile, jwksUrl, jwtKeyFile].some((source) => source !== undefined)
  if (!hasOwnKeys && !config.algorithms.includes(DEVELOPMENT_ALGORITHM)) {
    const isFlag = flags.algorithms !== undefined
    const name = isFlag ? `--${flagName('algorithms')}` : variableName('algorithms')
    throw new ConfigError([
      `${name}: must include ${DEVELOPMENT_ALGORITHM}, which tokens for development are signed with, or set keys of your own`,
    ])
  }
  return { ...config, hasOwnKeys }
}
