// `callgate token`: a token for development, signed with the key under `.callgate/`.

import { Command } from 'commander'
import { openDevelopmentKey, type TokenClaims } from '../development-key.js'
import { UserFailure } from '../failure.js'
import { STATE_DIR } from '../state-dir.js'

const TTL = /^\d+ ?(s|m|h|d|w)$/

export function tokenCommand(): Command {
  return new Command('token')
    .description('print a token that a development gateway accepts')
    .requiredOption('--sub <subject>', 'who the token is for')
    .option('--scope <scopes>', 'scopes, separated by spaces')
    .option('--ttl <duration>', 'how long it is valid: 90s, 15m, 1h, 7d', '1h')
    .option('--issuer <issuer>', 'the `iss` claim')
    .option('--audience <audience>', 'the `aud` claim')
    .action(async (flags: Omit<TokenClaims, 'subject'> & { sub: string }) => {
      if (!TTL.test(flags.ttl)) {
        throw new UserFailure(`--ttl: ${flags.ttl} is no duration; write 90s, 15m, 1h or 7d.`)
      }
      const key = await openDevelopmentKey(STATE_DIR)
      process.stdout.write(`${await key.sign({ ...flags, subject: flags.sub })}\n`)
    })
}
