// Who we are to NATS, and whom we take for it: users, tokens and files, as the client library wants them. What
// is in the files is looked at before the first attempt, where it is a fault of the configuration; the library
// would find it out in the middle of a connection, as an error of its own or none at all.

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { type ConnectionOptions, credsAuthenticator } from '@nats-io/transport-node'
import { ConfigError, type NatsConfig, variableName } from './config.js'
import type { NatsAddress } from './nats-url.js'

/** Throws a ConfigError for files that cannot be read, or are not what they should be. */
export function credentialsOf(config: NatsConfig, address: NatsAddress): ConnectionOptions {
  checkFiles(config)
  const { natsCredsFile, natsCaFile, natsCertFile, natsKeyFile, natsToken } = config
  const user = config.natsUser ?? address.user
  const pass = config.natsPassword ?? address.password
  const hasTls =
    address.scheme === 'tls' || (natsCaFile ?? natsCertFile ?? natsKeyFile) !== undefined
  return {
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(natsToken === undefined ? {} : { token: natsToken }),
    ...(natsCredsFile === undefined
      ? {}
      : { authenticator: credsAuthenticator(latestOf(natsCredsFile)) }),
    ...(hasTls
      ? {
          tls: {
            ...(natsCaFile === undefined ? {} : { caFile: natsCaFile }),
            ...(natsCertFile === undefined ? {} : { certFile: natsCertFile }),
            ...(natsKeyFile === undefined ? {} : { keyFile: natsKeyFile }),
          },
        }
      : {}),
  }
}

// Read anew by every connect, as the client library does with the others: keys are rotated. A file that
// is being replaced may be away for a moment; the library would give up for good over that.
function latestOf(file: string): () => Uint8Array {
  let latest: Uint8Array = readFileSync(file)
  return () => {
    try {
      latest = readFileSync(file)
    } catch {
      // The ones of before may still be good.
    }
    return latest
  }
}

type FileSetting = 'natsCredsFile' | 'natsCaFile' | 'natsCertFile' | 'natsKeyFile'

/** Throws where the file is none of its kind. */
const CHECKS: Readonly<Record<FileSetting, (content: Buffer) => void>> = {
  natsCredsFile: (content) => void credsAuthenticator(content)('a nonce'),
  natsCaFile: (content) => void new X509Certificate(content),
  natsCertFile: (content) => void new X509Certificate(content),
  natsKeyFile: (key) => void createSecureContext({ key }),
}
const KINDS: Readonly<Record<FileSetting, string>> = {
  natsCredsFile: 'a credentials file of NATS, with a JWT and a seed',
  natsCaFile: 'a certificate in PEM',
  natsCertFile: 'a certificate in PEM',
  natsKeyFile: 'a private key in PEM, without a password',
}

/** Throws a ConfigError with all that is wrong. */
function checkFiles(config: NatsConfig): void {
  const settings = Object.keys(CHECKS) as FileSetting[]
  const faults = settings.flatMap((setting) => faultsOf(setting, config[setting]))
  if (faults.length === 0) faults.push(...faultsOfPair(config))
  if (faults.length > 0) throw new ConfigError(faults)
}

function faultsOf(setting: FileSetting, file: string | undefined): string[] {
  if (file === undefined) return []
  const variable = variableName(setting)
  let content: Buffer
  try {
    content = readFileSync(file)
  } catch (error) {
    return [`${variable}: ${(error as Error).message}`]
  }
  try {
    CHECKS[setting](content)
    return []
  } catch {
    // The reason is a library's, and may repeat what is in the file.
    return [`${variable}: ${file} is not ${KINDS[setting]}`]
  }
}

function faultsOfPair({ natsCertFile, natsKeyFile }: NatsConfig): string[] {
  if (natsCertFile === undefined || natsKeyFile === undefined) return []
  try {
    createSecureContext({ cert: readFileSync(natsCertFile), key: readFileSync(natsKeyFile) })
    return []
  } catch {
    return [
      `${variableName('natsKeyFile')}: ${natsKeyFile} is not the key of the certificate in ${natsCertFile}`,
    ]
  }
}
