// Where NATS is, as users write it: `nats://user:password@host:4222`, with less of it or more of them,
// separated by commas. The client library takes digits of a password for the port, and a user that stands
// before a plain host's name for half of an IPv6 address: it is given the servers alone.

import { ConfigError, variableName } from './config.js'

export interface NatsAddress {
  readonly scheme: string | undefined
  /** Of the first server; the connection has one user for all. */
  readonly user: string | undefined
  readonly password: string | undefined
  /** Without user and password. */
  readonly servers: readonly string[]
}

/** Throws a ConfigError. */
export function readNatsUrl(natsUrl: string): NatsAddress {
  const entries = entriesOf(natsUrl)
  const { scheme, user, password } = entries[0]!
  return {
    scheme,
    user: decoded(user),
    password: decoded(password),
    servers: entries.map(serverOf),
  }
}

/** For people to read: nothing that is, or may be, a user or a password. */
export function redacted(natsUrl: string): string {
  return entriesOf(natsUrl)
    .map((entry) => (HOST.test(entry.host) ? serverOf(entry) : '…'))
    .join(',')
}

/** What stands before a comma in a password is none. */
const HOST = /^(\[[^\]]*\]|[^:]*|[\da-f.]*:[\da-f.]*:[\da-f:.]*)(:\d+)?\/?$/i

interface Entry {
  readonly scheme: string | undefined
  readonly user: string | undefined
  readonly password: string | undefined
  readonly host: string
}

function entriesOf(natsUrl: string): Entry[] {
  return natsUrl.split(',').map((text) => {
    const [, scheme, user, password, host] = ENTRY.exec(text.trim())!
    return { scheme, user, password, host: host! }
  })
}

/** The last @ counts: there is none in the name of a host. */
const ENTRY = /^(?:(\w+):\/\/)?(?:([^:]*?)(?::(.*))?@)?([^@]*)$/s

function serverOf({ scheme, host }: Entry): string {
  return scheme === undefined ? host : `${scheme}://${host}`
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    throw new ConfigError([
      `${variableName('natsUrl')}: a % in its user or password stands for a character only with two hexadecimal digits behind it; write %25 for the % itself`,
    ])
  }
}
