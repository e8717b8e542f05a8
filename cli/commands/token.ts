// `callgate token`: a token for development, signed with the key under `.callgate/`.

import { resolve } from 'node:path'
import { Command } from 'commander'
import { ConfigError, readConfig } from '../../shared/config.js'
import type { TokenClaims } from '../development-key.js'
import { addSettings } from '../settings-options.js'
import { stateSettings } from '../state-dir.js'

/** Claims that have an option of their own, or follow from one. */
const OPTION_OF: Readonly<Record<string, string>> = {
  sub: '--sub',
  scope: '--scope',
  exp: '--ttl',
  iat: '--ttl',
  iss: '--issuer',
  aud: '--audience',
}
const TTL = /^\d+ ?(s|m|h|d|w)$/

type Claims = Readonly<Record<string, unknown>>
type Flags = Omit<TokenClaims, 'subject' | 'claims'> & {
  sub: string
  stateDir?: string
  claim: Claims
}

export function tokenCommand(): Command {
  const command = new Command('token')
    .description('print a token that the gateway of `callgate dev` accepts')
    .requiredOption('--sub <subject>', 'who the token is for: the `sub` claim')
    .option('--scope <scopes>', 'scopes, separated by spaces')
    .option('--ttl <duration>', 'how long it is valid: 90s, 15m, 1h, 7d', '1h')
    .option('--issuer <issuer>', 'the `iss` claim')
    .option('--audience <audience>', 'the `aud` claim')
    .option(
      '--claim <name=value>',
      'any other claim, as JSON or text; may be repeated',
      withClaim,
      {},
    )
  return addSettings(command, 'State:', stateSettings).action(async (flags: Flags) => {
    const { stateDir, sub, claim, ...claims } = flags
    const config = readConfig(stateSettings, { stateDir }, process.env)
    if (!TTL.test(flags.ttl)) {
      throw new ConfigError([`--ttl: ${flags.ttl} is no duration; write 90s, 15m, 1h or 7d`])
    }
    const { openDevelopmentKey } = await import('../development-key.js')
    const key = await openDevelopmentKey(resolve(config.stateDir))
    process.stdout.write(`${await key.sign({ ...claims, subject: sub, claims: claim })}\n`)
  })
}

/** `callgate_priority=2` is a number, `tenant=acme` a text. */
function withClaim(text: string, claims: Claims): Claims {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw new ConfigError([`--claim: ${text} has no value; write name=value`])
  }
  const option = Object.hasOwn(OPTION_OF, name) ? OPTION_OF[name] : undefined
  if (option !== undefined) throw new ConfigError([`--claim: ${name} is set by ${option}`])
  try {
    return { ...claims, [name]: JSON.parse(value) }
  } catch {
    return { ...claims, [name]: value }
  }
}
